"""Drawn patients."""

import numpy as np

from medvlp.phantoms.abdomen.findings import ATTRIBUTES, SIDES, SIZE_LIMITS_MM
from medvlp.phantoms.abdomen.outcomes import malignancy_probability
from medvlp.phantoms.abdomen.patients import draw_patient, make_patient

PATIENTS = [draw_patient(seed) for seed in range(600)]


def test_draw_patient__depends_on_the_seed_alone():
    assert draw_patient(4) == draw_patient(4)
    assert draw_patient(4) != draw_patient(5)


def test_make_patient__keeps_what_is_given():
    kidneys = PATIENTS[0].kidneys
    made = make_patient(0, left=kidneys["left"], right=kidneys["right"])
    assert made == PATIENTS[0]


def test_draw_patient__gives_every_class_of_every_attribute():
    for name, words in ATTRIBUTES.items():
        found = [patient.attributes[side][name] for patient in PATIENTS for side in SIDES]
        for word in words:
            assert found.count(word) > 20, (name, word)


def test_draw_patient__leaves_nearly_half_of_the_kidneys_normal():
    normal = [patient.kidneys[side].is_normal for patient in PATIENTS for side in SIDES]
    assert 0.4 < np.mean(normal) < 0.52


def test_draw_patient__keeps_clear_of_the_edges_of_classes():
    masses = [patient.kidneys[side].mass for patient in PATIENTS for side in SIDES]
    for mass in filter(None, masses):
        assert min(abs(mass.size_mm - limit) for limit in SIZE_LIMITS_MM) > 0.9
        assert abs(abs(mass.direction[0]) - 1 / 3) > 0.05
        assert abs(abs(mass.direction[2]) - 1 / 3) > 0.05
        assert np.isclose(np.linalg.norm(mass.direction), 1)
        assert mass.exophytic * mass.size_mm <= 61


def test_draw_patient__makes_masses_malignant_as_often_as_the_rule_says():
    pairs = [
        (patient.is_malignant[side], malignancy_probability(patient.kidneys[side].mass))
        for patient in PATIENTS
        for side in SIDES
    ]
    truth, chance = np.asarray(pairs, dtype=float).T
    assert not truth[chance == 0].any()
    for low, high in ((0.05, 0.35), (0.35, 0.65), (0.65, 0.95)):
        inside = (chance > low) & (chance < high)
        assert abs(truth[inside].mean() - chance[inside].mean()) < 0.12
