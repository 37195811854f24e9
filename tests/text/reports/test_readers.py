from collections import Counter, defaultdict

import pytest

from medvlp.phantoms.abdomen.patients import draw_patient
from medvlp.phantoms.abdomen.report import write_report
from medvlp.text.negation import assess
from medvlp.text.reports.extraction import RulesExtractor
from medvlp.text.reports.measurements import find_measurements
from medvlp.text.reports.readers import ReportContext, build_reader
from medvlp.text.reports.schema import NOT_STATED, AttributeSchema, load_schema
from medvlp.text.reports.sentences import report_sentences
from medvlp.text.reports.sides import SidePart

OWN = AttributeSchema.model_validate_json(
    """{"name": "own", "attributes": {
    "stone": {"kind": "finding", "title": "T", "phrases": ["stone"], "normal": ["kidney is fine"],
        "when_absent": ["abnormality"], "unless": ["gall ~2 stone"]},
    "grade": {"kind": "choice", "title": "T", "about": ["mass"], "unless": ["mass effect"],
        "classes": {"not dark": {"phrases": ["not dark"], "when_absent": ["dark"]},
                    "dark": {"phrases": ["dark"], "unless": ["dark blue"]}}},
    "size": {"kind": "size", "title": "T", "about": ["mass"], "unless": ["mass effect"],
        "up_to_mm": {"small": 10, "large": null}}}}"""
)

# Attribute of a phantom -> our attribute, and how the classes correspond.
PHANTOM: dict[str, tuple[str, dict[str, set[str]]]] = {
    "mass": ("composition", {"solid": {"solid"}, "complex cyst": {"complex cyst"}}),
    "size": (
        "mass_size",
        {
            "up to 4 cm": {"up to 4 cm"},
            "4 to 7 cm": {"4 to 7 cm"},
            "over 7 cm": {"7 to 10 cm", "over 10 cm"},
        },
    ),
    "growth": (
        "growth",
        {
            "endophytic": {"endophytic"},
            "less than half exophytic": {"partly exophytic"},
            "half or more exophytic": {"mostly exophytic"},
        },
    ),
    "pole": (
        "polar_location",
        {"upper": {"upper pole"}, "middle": {"interpolar"}, "lower": {"lower pole"}},
    ),
    "enhancement": ("enhancement", {"weak": {"mild"}, "avid": {"marked"}}),
    "necrosis": (
        "necrosis",
        {name: {"present", "uncertain"} for name in ("partial", "extensive")}
        | {"none": {"absent"}},
    ),
    "margin": ("margin", {"smooth": {"smooth"}, "irregular": {"irregular"}}),
    "fat": ("fat", {"absent": {"absent"}, "present": {"present"}}),
    "cyst": (
        "cyst",
        {"none": {"absent"}, "single": {"present"}, "multiple": {"present"}},
    ),
    "stones": (
        "stones",
        {"none": {"absent"}, "single": {"present"}, "multiple": {"present"}},
    ),
    "hydronephrosis": (
        "hydronephrosis",
        {"none": {"none"}, "mild": {"mild"}, "marked": {"severe"}},
    ),
}


def read(attribute: str, text: str) -> tuple[str, bool]:
    parts = [SidePart(((s.start, s.end),), s.words) for s in report_sentences(text)]
    context = ReportContext(assess(text), find_measurements(text))
    answer = build_reader(OWN.attributes[attribute]).read(parts, context)
    assert all(text[e.start : e.end] for e in answer.evidence)
    return answer.value, answer.is_contradicted


@pytest.mark.parametrize(
    ("attribute", "text", "expected"),
    [
        ("stone", "A stone.", ("present", False)),
        ("stone", "No stone.", ("absent", False)),
        ("stone", "Possible stone.", ("uncertain", False)),
        ("stone", "The kidney is fine.", ("absent", False)),
        ("stone", "There is no abnormality.", ("absent", False)),
        ("stone", "There is an abnormality.", (NOT_STATED, False)),
        ("stone", "A gall bladder stone.", (NOT_STATED, False)),
        ("stone", "A gall bladder stone and a stone.", ("present", False)),
        ("stone", "No stone. A stone.", ("present", True)),
        ("grade", "A dark mass.", ("dark", False)),
        ("grade", "A dark spot.", (NOT_STATED, False)),
        ("grade", "A dark spot with mass effect.", (NOT_STATED, False)),
        ("grade", "A dark blue mass.", (NOT_STATED, False)),
        ("grade", "A mass that is not dark.", ("not dark", False)),
        ("size", "A mass of 9 mm.", ("small", False)),
        ("size", "A mass of 9 x 11 mm.", ("large", False)),
        ("size", "A mass; it measures 2 cm.", ("large", False)),
        ("size", "A mass. The cyst measures 2 cm.", (NOT_STATED, False)),
        ("size", "No mass over 2 cm.", (NOT_STATED, False)),
        ("size", "A mass of a few mm.", (NOT_STATED, False)),
        ("size", "Mass effect over 2 cm.", (NOT_STATED, False)),
        ("size", "A mass of 9 mm. The mass has 2 cm.", ("large", True)),
    ],
)
def test_read__answers(attribute: str, text: str, expected: tuple[str, bool]) -> None:
    assert read(attribute, text) == expected


def test_read__agrees_with_what_reports_of_phantoms_state() -> None:
    extractor = RulesExtractor(load_schema("kidney"))
    right: dict[str, Counter[bool]] = defaultdict(Counter)
    for seed in range(1000, 1120):
        report = write_report(draw_patient(seed), seed=seed)
        found = extractor.extract(report.text)
        for side, kidney in report.kidneys.items():
            for name, (own, classes) in PHANTOM.items():
                truth = kidney.stated.get(name)
                if truth in classes:
                    right[name][found[side][own].value in classes[truth]] += 1
    assert set(right) == set(PHANTOM)
    for name, counts in right.items():
        assert counts[True] >= 40, name
        assert counts[False] <= 0.02 * counts.total(), (name, counts)
