"""Reports, judged by the rules that read real ones."""

import re
from collections import Counter

import pytest

from medvlp.phantoms.chest.patients import draw_patient, make_patient
from medvlp.phantoms.chest.report import write_report
from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS, SEEN, SYNONYMS, UNSEEN
from medvlp.text.negation import assess
from medvlp.text.reports.sections import section_text


@pytest.fixture(scope="module")
def studies():
    patients = [draw_patient(seed) for seed in range(600)]
    return [(patient, write_report(patient)) for patient in patients]


def names_of(name):
    return (name, SYNONYMS[name])


def test_report__names_every_finding_that_there_is_with_side_and_size(studies):
    for patient, report in studies:
        text = report.findings.lower()
        for name, side in patient.sides.items():
            own = [s for s in text.split(". ") if any(word in s for word in names_of(name))]
            words = ("both", "bilateral") if side == "both" else (side,)
            assert any(word in own[0] for word in words), own
            size = patient.sizes_mm[name]
            assert f"{size:.0f} mm" in own[0] or f"{size / 10:.1f} cm" in own[0]


def test_report__states_what_it_says_it_states_wherever_it_names_it(studies):
    agreement = Counter()
    for _, report in studies:
        text = report.text.lower()
        scopes = assess(text)
        for name in PHANTOM_FINDINGS:
            mentions = [m.span() for m in re.finditer("|".join(names_of(name)), text)]
            assert bool(mentions) == (name in report.stated)
            agreement.update((scopes.status(*span), report.stated[name]) for span in mentions)
    assert set(agreement) == {(status, status) for status in ("present", "absent", "uncertain")}


def test_report__never_denies_what_there_is(studies):
    for patient, report in studies:
        denied = {name for name, status in report.stated.items() if status == "absent"}
        assert not denied & set(patient.sides)


def test_report__has_two_sections_and_most_normal_ones_are_the_same(studies):
    normal = [report.text for patient, report in studies if not patient.sides]
    _, times = Counter(normal).most_common(1)[0]
    assert 0.4 < times / len(normal) < 0.8
    for _, report in studies:
        assert section_text(report.text, "findings").strip() == report.findings
        assert section_text(report.text, "impression").strip() == report.impression


def test_report__describes_without_naming_what_may_not_be_named():
    for seed in range(40):
        patient = make_patient(seed, {"ruldin": "left", "lusket": "right"})
        report = write_report(patient, named=SEEN)
        text = report.text.lower()
        assert not [word for name in UNSEEN for word in names_of(name) if word in text]
        assert "left" in text
        assert f"{patient.sizes_mm['lusket']:.0f} mm" in text or " cm" in text


def test_report__says_traits_in_words_and_another_seed_says_it_otherwise(studies):
    patient = make_patient(5, {"jastel": "left"})
    texts = [write_report(patient, seed=seed).text for seed in range(12)]
    assert len(set(texts)) == 12
    assert sum("triangular" in text or "wedge" in text or "triangle" in text for text in texts) > 4
