"""Who is found to have what."""

import numpy as np
import pytest

from medvlp.errors import PhantomError
from medvlp.phantoms.chest.lesions import SIZES_MM
from medvlp.phantoms.chest.patients import MAX_FINDINGS, draw_patient, make_patient
from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS, SEEN, UNSEEN


@pytest.fixture(scope="module")
def patients():
    return [draw_patient(seed) for seed in range(3000)]


def test_findings__are_about_as_frequent_as_asked_and_nearly_independent(patients):
    has = np.array([[name in p.sides for name in PHANTOM_FINDINGS] for p in patients], dtype=float)
    assert has.sum(axis=1).max() == MAX_FINDINGS
    assert 0.035 < has.mean(axis=0).min() <= has.mean(axis=0).max() < 0.06
    correlation = np.corrcoef(has.T) - np.eye(len(PHANTOM_FINDINGS))
    assert np.abs(correlation).max() < 0.09
    assert abs(correlation.mean()) < 0.02


def test_sides__are_as_often_left_as_right_and_keep_zones_apart(patients):
    sides = [side for p in patients for side in p.sides.values()]
    assert 0.45 < sides.count("left") / (sides.count("left") + sides.count("right")) < 0.55
    assert 0.04 < sides.count("both") / len(sides) < 0.14
    clashes = 0
    for patient in patients:
        places = [
            (PHANTOM_FINDINGS[name].zone, one)
            for name, side in patient.sides.items()
            for one in (("left", "right") if side == "both" else (side,))
        ]
        clashes += len(places) - len(set(places))
    assert clashes / len(sides) < 0.05


def test_sizes__lie_within_the_range_of_the_shape(patients):
    for patient in patients[:300]:
        for name, size in patient.sizes_mm.items():
            traits = PHANTOM_FINDINGS[name]
            place = 0 if traits.count == "single" else 2
            low, high = SIZES_MM[traits.shape][place : place + 2]
            assert low <= size <= high


def test_findings_that_may_not_occur__never_do():
    drawn = [draw_patient(seed, occurring=SEEN, prevalence=0.08) for seed in range(500)]
    assert not [p for p in drawn if set(p.sides) & set(UNSEEN)]
    assert any(p.sides for p in drawn)


def test_patient__of_an_unknown_finding_or_side_is_refused():
    with pytest.raises(PhantomError, match=r"MV1905.*dravik"):
        make_patient(1, {"dravick": "left"})
    with pytest.raises(PhantomError, match="MV1906"):
        make_patient(1, {"dravik": "middle"})
    with pytest.raises(PhantomError, match="MV1905"):
        draw_patient(1, occurring=("nothing",))
