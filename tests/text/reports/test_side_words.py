"""Left and right change places in a text, in all their forms, and nothing else does."""

import pytest

from medvlp.text.reports.side_words import names_side, swap_sides, unswappable_words

SWAPPED = {
    "left pleural effusion": "right pleural effusion",
    "Left-sided port; RIGHT lung clear.": "Right-sided port; LEFT lung clear.",
    "mediastinum shifted rightward, leftwards, rightmost": (
        "mediastinum shifted leftward, rightwards, leftmost"
    ),
    "L effusion > R effusion": "R effusion > L effusion",
    "L-sided chest tube": "R-sided chest tube",
    "R/L and L/R": "L/R and R/L",
    "LLL collapse, RUL mass, RIJ line": "RLL collapse, LUL mass, LIJ line",
    "Rt. lower zone, Lt base": "Lt. lower zone, Rt base",
    "RT PLEURAL EFFUSION": "LT PLEURAL EFFUSION",
    "fluid on the left, the right lung is clear": "fluid on the right, the left lung is clear",
    "On the left the lung is clear.": "On the right the lung is clear.",
    "left/right": "right/left",
    "left heart border": "right heart border",
    "blunted right angle": "blunted left angle",
    "The trachea is left of the midline": "The trachea is right of the midline",
    "left main bronchus": "right main bronchus",
    "left lower lobe behind the left ventricle": "right lower lobe behind the left ventricle",
    "right aortic arch": "left aortic arch",
    "There is a large right effusion and a left atrial appendage.": (
        "There is a large left effusion and a left atrial appendage."
    ),
    "Findings: Left nodule.\nImpression: Nodule, left.": (
        "Findings: Right nodule.\nImpression: Nodule, right."
    ),
}
KEPT = (
    "",
    "bilateral pleural effusions, both lungs, contralateral shift",
    "left ventricle",
    "left ventricular enlargement",
    "right and left ventricles",
    "left-ventricular lead, right atrial lead",
    "biatrial and right heart strain",
    "left anterior descending artery, right coronary stent",
    "left to right shunt",
    "left-handed patient",
    "wires run to the right heart",
    "lines touch the pleura at a right angle",
    "all that is left of the lobe",
    "The tube was left in place.",
    "The patient left the hospital.",
    "He is all right and was seen right away.",
    "R/O pneumonia",
    "2 L of oxygen, 5L, 3 L/min",
    "fracture of L1, T12 and R6",
    "RT-PCR positive, treated with RT",
    "upright film, copyright",
    "LV and RV, LAD",
)
REFUSED = {
    "Dextrocardia. Left effusion.": ("Dextrocardia",),
    "mild levoscoliosis": ("levoscoliosis",),
    "situs inversus": ("situs",),
    "opacity of the lingula": ("lingula",),
    "right middle lobe pneumonia and RML collapse": ("middle lobe", "RML"),
    "fluid in the minor fissure": ("minor fissure",),
    "an azygos lobe": ("azygos lobe",),
    "rotated clockwise": ("clockwise",),
}


@pytest.mark.parametrize(("text", "expected"), SWAPPED.items())
def test_swap_sides__swaps_every_word_of_side(text: str, expected: str) -> None:
    assert swap_sides(text) == expected
    assert swap_sides(expected) == text
    assert names_side(text)


@pytest.mark.parametrize("text", KEPT)
def test_swap_sides__keeps_what_names_no_side(text: str) -> None:
    assert swap_sides(text) == text
    assert not names_side(text)


@pytest.mark.parametrize(("text", "words"), REFUSED.items())
def test_swap_sides__refuses_what_has_no_counterpart(text: str, words: tuple[str, ...]) -> None:
    assert swap_sides(text) is None
    assert unswappable_words(text) == words
    assert names_side(text)


def test_swap_sides__takes_medicines_for_no_side() -> None:
    assert swap_sides("levofloxacin, dextrose, levothyroxine") is not None
