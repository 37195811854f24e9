"""Reports say what is true, in many words."""

import re
from collections import Counter

from medvlp.phantoms.abdomen import wording
from medvlp.phantoms.abdomen.findings import SIDES
from medvlp.phantoms.abdomen.patients import draw_patient
from medvlp.phantoms.abdomen.report import write_report

PATIENTS = [draw_patient(seed) for seed in range(300)]
REPORTS = [write_report(patient) for patient in PATIENTS]


def kidneys():
    for patient, report in zip(PATIENTS, REPORTS, strict=True):
        for side in SIDES:
            yield side, patient, report.kidneys[side]


def test_report__has_findings_and_impression_of_both_sides(patient):
    report = write_report(patient)
    assert report.text == f"Findings: {report.findings}\nImpression: {report.impression}"
    for side in SIDES:
        assert report.kidneys[side].findings in report.findings
        assert report.kidneys[side].impression in report.impression
        assert f"{side} kidney" in report.kidneys[side].findings.lower()


def test_report__never_states_what_is_not_so():
    for side, patient, text in kidneys():
        for name, word in text.stated.items():
            assert patient.attributes[side][name] == word


def test_report__states_what_is_found_and_often_what_is_not():
    stated, applies = Counter(), Counter()
    for side, patient, text in kidneys():
        for name, word in patient.attributes[side].items():
            if word is not None:
                applies[name] += 1
                stated[name] += name in text.stated
                if name in {"cyst", "stones", "hydronephrosis", "mass"} and word != "none":
                    assert name in text.stated
    for name in applies:
        assert 0.6 < stated[name] / applies[name] <= 1


def test_report__words_a_class_as_the_class_and_not_as_another():
    """A reader of our own: words that give a class away."""
    words = {
        ("hydronephrosis", "marked"): r"marked|severe dilatation",
        ("hydronephrosis", "mild"): r"mild hydro|slightly dilated|mild pelvi",
        ("necrosis", "extensive"): r"extensive\w* .*necro|most of the lesion is necrotic",
        ("necrosis", "partial"): r"partly necrotic|partial necrosis|central area of necrosis",
        ("fat", "present"): r"contains macroscopic fat|areas of fat attenuation",
        ("growth", "endophytic"): r"entirely endo|completely within|no exophytic",
        ("pole", "upper"): r"(upper|superior) (pole|third)",
        ("margin", "irregular"): r"irregular\.|ill-defined",
    }
    for _, _, text in kidneys():
        mass_text = text.findings.lower()
        for (name, word), pattern in words.items():
            if name == "pole" and text.stated.get("cyst", "none") != "none":
                continue
            found = re.search(pattern, mass_text) is not None
            assert found == (text.stated.get(name) == word), (name, word, text.findings)


def test_report__uses_one_sentence_for_most_normal_kidneys():
    normal = [
        (side, text.findings)
        for side, patient, text in kidneys()
        if patient.kidneys[side].is_normal
    ]
    usual = [text == wording.USUAL_NORMAL.format(side=side) for side, text in normal]
    assert 0.5 < sum(usual) / len(usual) < 0.7
    assert len({text for _, text in normal}) == 12  # two sides of six sentences


def test_report__varies_its_words_but_not_its_meaning(patient):
    texts = [write_report(patient, seed=seed) for seed in range(20)]
    assert len({report.findings for report in texts}) == 20
    assert write_report(patient) == write_report(patient)


def test_report__fills_every_template():
    for report in REPORTS:
        assert not re.search(r"[{}]|None|  ", report.text)
        assert all(line for line in report.text.split("\n"))
