import random

import pytest

from medvlp.errors import DataError
from medvlp.text.reports.extraction import WHOLE, RulesExtractor
from medvlp.text.reports.schema import NOT_STATED, load_schema

KIDNEY = RulesExtractor(load_schema("kidney"))
CHEST = RulesExtractor(load_schema("chest-ct"))


def stated(report: str, side: str) -> dict[str, str]:
    found = KIDNEY.extract(report)[side]
    return {name: answer.value for name, answer in found.items() if answer.value != NOT_STATED}


def chest(report: str) -> dict[str, str]:
    found = CHEST.extract(report)[WHOLE]
    return {name: answer.value for name, answer in found.items() if answer.value != NOT_STATED}


def test_extract__reads_a_whole_report_of_the_kidneys() -> None:
    report = (
        "TECHNIQUE: CT of the abdomen for a left renal mass.\n"
        "FINDINGS: There is a 4.5 x 3.8 x 4.1 cm exophytic solid mass in the upper pole of the "
        "right kidney with marked enhancement and central necrosis. No calcification. The right "
        "renal vein is patent. The left kidney has a 6 mm stone in the lower pole; there is no "
        "hydronephrosis.\nIMPRESSION: 1. Right renal mass, suspicious for carcinoma.\n"
        "2. Left nephrolithiasis."
    )
    assert stated(report, "right") == {
        "mass": "present",
        "mass_size": "4 to 7 cm",
        "number": "one",
        "polar_location": "upper pole",
        "growth": "mostly exophytic",
        "composition": "solid",
        "enhancement": "marked",
        "necrosis": "present",
        "calcification": "absent",
        "vein": "absent",
    }
    assert stated(report, "left") == {"stones": "present", "hydronephrosis": "none"}


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ("The left kidney is normal in size.", {"kidney_size": "normal"}),
        ("Contour and size of the left kidney are normal.", {"kidney_size": "normal"}),
        (
            "Contour, size and collecting system of the left kidney are normal.",
            {"kidney_size": "normal", "hydronephrosis": "none"},
        ),
        (
            "No abnormality of the left kidney.",
            {
                "kidney_size": "normal",
                "mass": "absent",
                "cyst": "absent",
                "stones": "absent",
                "hydronephrosis": "none",
            },
        ),
        ("Left nephrectomy was done.", {"kidney_size": "absent"}),
        ("The left kidney is atrophic.", {"kidney_size": "small"}),
        ("Thrombus in the left renal vein.", {"vein": "present"}),
        ("Stranding of the left perirenal fat.", {"perirenal_fat": "present"}),
        ("Left hydronephrosis.", {"hydronephrosis": "ungraded"}),
        (
            "Multiple cortical cysts in the left kidney.",
            {"cyst": "present", "composition": "simple cyst"},
        ),
    ],
)
def test_extract__tells_what_is_said_of_a_kidney(report: str, expected: dict[str, str]) -> None:
    assert stated(report, "left") == expected


def _random_side(draw: random.Random, side: str) -> tuple[list[str], dict[str, str]]:
    """Draw what a report says of a side, and the answers that follow from it."""
    sentences, truth = [], {}
    if draw.random() < 0.7:
        length_mm = draw.randrange(12, 130)
        pole = draw.choice(["upper pole", "lower pole", "interpolar region"])
        growth = draw.choice(["exophytic", "endophytic"])
        written = draw.choice([f"{length_mm} mm", f"{length_mm / 10:g} cm"])
        sentences.append(
            f"There is a {growth} solid mass in the {pole} of the {side} kidney, measuring "
            f"{written}."
        )
        truth |= {
            "mass": "present",
            "growth": "mostly exophytic" if growth == "exophytic" else growth,
            "polar_location": pole.removesuffix(" region"),
            "mass_size": "up to 4 cm" if length_mm <= 40 else "4 to 7 cm" if length_mm <= 70
            else "7 to 10 cm" if length_mm <= 100 else "over 10 cm",
        }  # fmt: skip
    else:
        sentences.append(f"No mass is seen in the {side} kidney.")
        truth["mass"] = "absent"
    for name, word in (("stones", "stone"), ("necrosis", "necrosis")):
        status = draw.choice(["present", "absent", "uncertain", NOT_STATED])
        truth[name] = status
        if status != NOT_STATED:
            opening = {
                "present": "There is",
                "absent": draw.choice(["There is no", "No evidence of"]),
                "uncertain": draw.choice(["Possible", "Suspected"]),
            }
            sentences.append(f"{opening[status]} {word} in the {side} kidney.")
    grade = draw.choice(["mild", "moderate", "severe", "none", NOT_STATED])
    truth["hydronephrosis"] = grade
    if grade != NOT_STATED:
        degree = "No" if grade == "none" else grade.capitalize()
        sentences.append(f"{degree} hydronephrosis of the {side} kidney.")
    return sentences, truth


def test_extract__agrees_with_reports_written_from_known_answers() -> None:
    draw = random.Random(11)
    for _ in range(300):
        left, left_truth = _random_side(draw, "left")
        right, right_truth = _random_side(draw, "right")
        other = ["The spleen is normal.", "No ascites.", "The left adrenal gland is enlarged."]
        sentences = left + right + other
        draw.shuffle(sentences)
        report = "Findings: " + " ".join(sentences)
        found = KIDNEY.extract(report)
        for side, truth in (("left", left_truth), ("right", right_truth)):
            actual = {name: found[side][name].value for name in truth}
            assert actual == truth, report


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ("No pleural effusion.", {"pleural_effusion": "absent"}),
        ("Pleural effusion - thickening was not observed.", {"pleural_effusion": "absent"}),
        ("Possible consolidation.", {"consolidation": "uncertain"}),
        ("Heart size is normal.", {"cardiomegaly": "absent"}),
        ("The heart is enlarged.", {"cardiomegaly": "present"}),
        ("The heart is not enlarged.", {"cardiomegaly": "absent"}),
        ("Pericardial effusion is seen.", {"pericardial_effusion": "present"}),
        (
            "Neither pleural nor pericardial effusion.",
            {"pleural_effusion": "absent", "pericardial_effusion": "absent"},
        ),
        ("Calcified plaques of the coronary arteries.", {"coronary_calcification": "present"}),
        (
            "Calcified plaques of the aorta and coronary arteries.",
            {"coronary_calcification": "present", "arterial_wall_calcification": "present"},
        ),
        ("Nodules of the thyroid gland.", {}),
        ("The catheter was removed.", {}),
        (
            "Cannot be judged due to lack of contrast, and a nodule is observed.",
            {"lung_nodule": "present"},
        ),
        ("A nodule that was not observed in the previous examination.", {"lung_nodule": "present"}),
        ("As far as can be seen: No enlarged lymph nodes.", {"lymphadenopathy": "absent"}),
        ("Comparison: CT with effusion. The bronchi are normal and open.", {}),
    ],
)
def test_extract__tells_what_is_there_in_a_chest(report: str, expected: dict[str, str]) -> None:
    assert chest(report) == expected


def test_extract__marks_a_report_that_contradicts_itself() -> None:
    answer = CHEST.extract("No pleural effusion is seen. There is a pleural effusion.")[WHOLE][
        "pleural_effusion"
    ]
    assert (answer.value, answer.is_contradicted) == ("present", True)
    assert {e.answer for e in answer.evidence} == {"absent", "present"}
    size = KIDNEY.extract("A 3 cm mass of the left kidney. Left renal mass, 5 cm.")["left"]
    assert (size["mass_size"].value, size["mass_size"].is_contradicted) == ("4 to 7 cm", True)


def test_extract__does_not_call_doubt_beside_certainty_a_contradiction() -> None:
    answer = CHEST.extract("Possible consolidation. There is a consolidation.")[WHOLE][
        "consolidation"
    ]
    assert (answer.value, answer.is_contradicted, answer.is_doubtful) == ("present", False, False)


def test_extract__marks_a_choice_that_is_only_hedged() -> None:
    answer = KIDNEY.extract("Possible mild hydronephrosis of the left kidney.")["left"]
    assert (answer["hydronephrosis"].value, answer["hydronephrosis"].is_doubtful) == ("mild", True)


def test_extract__gives_the_words_as_evidence() -> None:
    report = "FINDINGS:\n1. Ground-glass areas of both lungs.\n2. Nodule of 4.5 mm."
    found = CHEST.extract(report)[WHOLE]
    (opacity,) = found["lung_opacity"].evidence
    assert report[opacity.start : opacity.end] == "Ground-glass"
    (nodule,) = found["lung_nodule"].evidence
    assert report[nodule.start : nodule.end] == "Nodule"


def test_extract__leaves_a_side_of_which_nothing_is_said() -> None:
    found = KIDNEY.extract("The left kidney has a stone.")
    assert found["left"]["stones"].value == "present"
    assert {answer.value for answer in found["right"].values()} == {NOT_STATED}


def test_extract__gives_what_names_no_side_to_neither() -> None:
    found = KIDNEY.extract("A renal stone is seen.")
    assert {a.value for side in found.values() for a in side.values()} == {NOT_STATED}


@pytest.mark.parametrize(
    ("report", "code"),
    [
        ("", "MV2300"),
        ("Beide Nieren sind unauff\u00e4llig, links zeigt sich ein kleiner Stein.", "MV2301"),
        ("a" * 300_000, "MV2302"),
    ],
)
def test_extract__refuses(report: str, code: str) -> None:
    with pytest.raises(DataError) as error:
        CHEST.extract(report)
    assert error.value.code == code
