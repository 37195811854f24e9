"""Phrasings of a radiologist for what is found in a kidney.

In braces: ``side``, ``pole`` and ``face`` of the lesion, ``size`` with its unit, ``noun`` of the
lesion, ``count`` of things in words.
"""

from __future__ import annotations

__all__ = [
    "CLEAR_SENTENCES",
    "CYST_SENTENCES",
    "FACES",
    "IMPRESSIONS",
    "MASS_SENTENCES",
    "NORMAL_IMPRESSIONS",
    "NORMAL_SENTENCES",
    "NOUNS",
    "OTHER_SENTENCES",
    "POLES",
    "STONE_SENTENCES",
    "TECHNIQUES",
    "TRAITS",
    "USUAL_NORMAL",
]

USUAL_NORMAL = "No abnormalities in the {side} kidney."
"""What most reports say of a normal kidney, in these very words."""

NORMAL_SENTENCES = (
    "The {side} kidney is unremarkable.",
    "The {side} kidney is normal in size, without mass, calculus or hydronephrosis.",
    "Normal {side} kidney. No stone, no hydronephrosis, no focal lesion.",
    "{Side} kidney: no focal lesion, no calculi, and the collecting system is not dilated.",
    "The {side} kidney shows no suspicious lesion, no cyst, no calculi and no hydronephrosis.",
)

NORMAL_IMPRESSIONS = (
    "Normal {side} kidney.",
    "No significant abnormality of the {side} kidney.",
    "Unremarkable {side} kidney.",
)

POLES = {
    "upper": ("upper pole", "superior pole", "upper third"),
    "middle": ("mid portion", "mid-pole", "middle third"),
    "lower": ("lower pole", "inferior pole", "lower third"),
}
FACES = {
    "anterior": ("anterior", "ventral"),
    "lateral": ("lateral",),
    "posterior": ("posterior", "dorsal"),
}
NOUNS = {
    "solid": ("solid mass", "solid renal mass", "soft tissue mass", "solid lesion"),
    "complex cyst": ("complex cystic lesion", "complex cyst", "septated cystic mass"),
}

MASS_SENTENCES = (
    "There is a {noun} measuring {size} in the {face} {pole} of the {side} kidney.",
    "A {size} {noun} arises from the {face} aspect of the {pole} of the {side} kidney.",
    "In the {side} kidney, a {noun} is seen at the {pole} ({face}), up to {size} in diameter.",
    "{Side} kidney: {noun} of {size}, {pole}, {face} surface.",
    "The {side} kidney harbours a {noun} in the {pole}, {face} in location; it measures {size}.",
)

TRAITS: dict[tuple[str, str], tuple[str, ...]] = {
    ("growth", "endophytic"): (
        "It is entirely endophytic.",
        "It lies completely within the renal parenchyma.",
        "There is no exophytic component.",
    ),
    ("growth", "less than half exophytic"): (
        "Less than half of it is exophytic.",
        "It is mainly endophytic, with a smaller exophytic part.",
        "It bulges the renal contour, with less than 50% of it outside.",
    ),
    ("growth", "half or more exophytic"): (
        "It is predominantly exophytic.",
        "More than half of it projects beyond the renal contour.",
        "It is at least 50% exophytic.",
    ),
    ("enhancement", "avid"): (
        "It enhances avidly in the arterial phase with washout on later phases.",
        "It is hypervascular.",
        "Brisk corticomedullary enhancement is noted.",
    ),
    ("enhancement", "weak"): (
        "It shows only mild, progressive enhancement.",
        "It is hypovascular compared with the renal cortex.",
        "Enhancement is weak in all phases.",
    ),
    ("necrosis", "none"): (
        "It is homogeneous.",
        "No necrosis is seen.",
        "There is no evidence of necrosis.",
        "Its attenuation is homogeneous, without necrotic areas.",
    ),
    ("necrosis", "partial"): (
        "It is heterogeneous with a central area of necrosis.",
        "It is partly necrotic.",
        "A central non-enhancing area suggests partial necrosis.",
    ),
    ("necrosis", "extensive"): (
        "It is extensively necrotic with only a rim of viable tissue.",
        "Most of the lesion is necrotic.",
        "There is extensive central necrosis.",
    ),
    ("margin", "smooth"): (
        "Its margins are smooth.",
        "It is well circumscribed.",
        "No irregularity of its margin is seen.",
    ),
    ("margin", "irregular"): (
        "Its margins are irregular.",
        "It is ill-defined with a lobulated outline.",
        "The border of the lesion is irregular.",
    ),
    ("fat", "present"): (
        "It contains macroscopic fat.",
        "Areas of fat attenuation are present within it.",
    ),
    ("fat", "absent"): (
        "No macroscopic fat is identified.",
        "It does not contain fat.",
    ),
    ("septa", "thin"): (
        "It has a few hairline-thin septa.",
        "Thin septa are seen, without thickening of the wall.",
    ),
    ("septa", "thick"): (
        "It has thick enhancing septa.",
        "Its wall and septa are thickened and enhance.",
    ),
}
"""Attribute and class -> sentences about the main lesion."""

CYST_SENTENCES = {
    "single": (
        "A simple cyst of {size} is noted in the {pole}.",
        "There is a {size} simple cortical cyst at the {pole}.",
        "One benign-appearing cyst, {size}, in the {pole}.",
    ),
    "multiple": (
        "{Count} simple cysts are present, the largest measuring {size}.",
        "There are several simple cortical cysts, up to {size}.",
        "Multiple simple cysts (largest {size}).",
    ),
}
STONE_SENTENCES = {
    "single": (
        "A {size} calculus lies in a calyx.",
        "There is a single stone of {size}.",
        "Nephrolithiasis with one calculus of {size}.",
    ),
    "multiple": (
        "{Count} calculi are present, the largest {size}.",
        "There are multiple stones, measuring up to {size}.",
        "Nephrolithiasis with several calculi (up to {size}).",
    ),
}
CLEAR_SENTENCES: dict[tuple[str, str], tuple[str, ...]] = {
    ("mass", "none"): (
        "No solid or complex lesion is seen.",
        "There is no suspicious renal mass.",
        "No evidence of a renal tumour.",
    ),
    ("cyst", "none"): ("No simple cyst.", "There are no cysts otherwise."),
    ("stones", "none"): (
        "No renal calculi.",
        "There is no nephrolithiasis.",
        "No stone is seen.",
    ),
    ("hydronephrosis", "none"): (
        "No hydronephrosis.",
        "The collecting system is not dilated.",
        "There is no dilatation of the renal pelvis.",
    ),
    ("hydronephrosis", "mild"): (
        "There is mild hydronephrosis.",
        "The collecting system is slightly dilated.",
        "Mild pelvicalyceal dilatation is present.",
    ),
    ("hydronephrosis", "marked"): (
        "There is marked hydronephrosis.",
        "Severe dilatation of the collecting system with thinning of the parenchyma.",
        "Marked pelvicalyceal dilatation is present.",
    ),
}
"""Attribute and class -> sentences about the kidney."""

IMPRESSIONS: dict[str, tuple[str, ...]] = {
    "fat": (
        "{Side} renal angiomyolipoma, {size}.",
        "Fat-containing {side} renal lesion in keeping with angiomyolipoma.",
    ),
    "high": (
        "{Size} {side} renal {noun}, suspicious for malignancy.",
        "{Side} renal {noun} highly suspicious for renal cell carcinoma.",
        "Findings in the {side} kidney are most in keeping with a malignant tumour.",
    ),
    "middle": (
        "Indeterminate {side} renal {noun}, {size}.",
        "{Side} renal {noun}; malignancy cannot be excluded.",
    ),
    "low": (
        "{Side} renal {noun}, probably benign.",
        "{Size} {side} renal {noun} without features of malignancy; favour a benign lesion.",
    ),
    "cyst": ("Simple {side} renal cyst.", "Benign cystic change of the {side} kidney."),
    "stones": ("{Side} nephrolithiasis.", "Calculus disease of the {side} kidney."),
    "hydronephrosis": ("{Side} hydronephrosis.", "Dilated {side} collecting system."),
}

TECHNIQUES = {
    "N": "CT of the abdomen without intravenous contrast.",
    "A": "CT of the abdomen in the arterial phase.",
    "V": "CT of the abdomen in the portal venous phase.",
    "D": "CT of the abdomen in the delayed phase.",
}

OTHER_SENTENCES = (
    "The liver and spleen are unremarkable.",
    "No focal liver lesion. Normal spleen and pancreas.",
    "The gallbladder contains no stones.",
    "The adrenal glands are normal.",
    "No enlarged retroperitoneal lymph nodes.",
    "The aorta is of normal calibre.",
    "No free fluid.",
    "The lung bases are clear.",
)
