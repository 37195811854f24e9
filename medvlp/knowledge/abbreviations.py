"""Short forms: those that a text defines itself, and clinical ones that mean one thing only."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = [
    "CLINICAL_ABBREVIATIONS",
    "CLINICAL_NAMES",
    "NO_DISEASES",
    "Definition",
    "find_definitions",
    "is_acronym",
]

# Short form -> name of a disease. Forms with a second common meaning in radiology and pathology are
# left out: ALL, AML, AS, CP, ED, MI, MM, MR, MS, PD, PE, PID, PVD, RA, RDS, SCC, TIA, VSD.
CLINICAL_ABBREVIATIONS: dict[str, str] = {
    "AAA": "abdominal aortic aneurysm",
    "ADHD": "attention deficit hyperactivity disorder",
    "ADPKD": "autosomal dominant polycystic kidney disease",
    "AIDS": "acquired immunodeficiency syndrome",
    "ALS": "amyotrophic lateral sclerosis",  # codespell:ignore als
    "ARDS": "acute respiratory distress syndrome",
    "ARPKD": "autosomal recessive polycystic kidney disease",
    "ccRCC": "clear cell renal cell carcinoma",
    "chRCC": "chromophobe renal cell carcinoma",
    "pRCC": "papillary renal cell carcinoma",
    "CHF": "congestive heart failure",
    "CKD": "chronic kidney disease",
    "CLL": "chronic lymphocytic leukemia",
    "CML": "chronic myeloid leukemia",
    "COPD": "chronic obstructive pulmonary disease",
    "COVID": "COVID-19",
    "DCIS": "ductal carcinoma in situ",
    "DCM": "dilated cardiomyopathy",
    "DFSP": "dermatofibrosarcoma protuberans",
    "DISH": "diffuse idiopathic skeletal hyperostosis",
    "DLBCL": "diffuse large B-cell lymphoma",
    "FAP": "familial adenomatous polyposis",
    "FOP": "fibrodysplasia ossificans progressiva",
    "GBM": "glioblastoma",
    "GERD": "gastroesophageal reflux disease",
    "GIST": "gastrointestinal stromal tumor",
    "HCC": "hepatocellular carcinoma",
    "HCM": "hypertrophic cardiomyopathy",
    "HHT": "hereditary hemorrhagic telangiectasia",
    "HIV": "human immunodeficiency virus infectious disease",
    "HNSCC": "head and neck squamous cell carcinoma",
    "IBD": "inflammatory bowel disease",
    "IPF": "idiopathic pulmonary fibrosis",
    "JIA": "juvenile idiopathic arthritis",
    "LAM": "lymphangioleiomyomatosis",
    "LCIS": "lobular carcinoma in situ",
    "MALT lymphoma": "mucosa-associated lymphoid tissue lymphoma",
    "MDS": "myelodysplastic syndrome",
    "MPNST": "malignant peripheral nerve sheath tumor",
    "NAFLD": "fatty liver disease",
    "NASH": "metabolic dysfunction-associated steatohepatitis",
    "NPC": "nasopharynx carcinoma",
    "NUG": "necrotizing ulcerative gingivitis",
    "NSCLC": "non-small cell lung carcinoma",
    "NSIP": "nonspecific interstitial pneumonia",
    "OSCC": "oral squamous cell carcinoma",
    "PBC": "primary biliary cholangitis",
    "PCNSL": "central nervous system lymphoma",
    "PCOS": "polycystic ovary syndrome",
    "PDAC": "pancreatic ductal adenocarcinoma",
    "PSC": "primary sclerosing cholangitis",
    "PVNS": "pigmented villonodular synovitis",
    "RCC": "renal cell carcinoma",
    "SCLC": "lung small cell carcinoma",
    "SLE": "systemic lupus erythematosus",
    "TB": "tuberculosis",
    "TNBC": "triple-negative breast cancer",
    "VHL": "von Hippel-Lindau disease",
}

# What clinicians say and ontologies often lack -> name of a disease.
CLINICAL_NAMES: dict[str, str] = {
    "adynamic ileus": "paralytic ileus",
    "atherosclerotic change": "atherosclerosis",
    "atherosclerotic disease": "atherosclerosis",
    "atherosclerotic plaque": "atherosclerosis",
    "bladder stone": "bladder calculus",
    "bronchiectatic change": "bronchiectasis",
    "bronchiectatic enlargement": "bronchiectasis",
    "cardiac failure": "congestive heart failure",
    "cirrhotic change of the liver": "liver cirrhosis",
    "cirrhotic liver": "liver cirrhosis",
    "collapsed lung": "pneumothorax",
    "diabetic patient": "diabetes mellitus",
    "effusion in the pericardial area": "pericardial effusion",
    "effusion in the pericardial space": "pericardial effusion",
    "emphysema": "pulmonary emphysema",
    "emphysematous change": "pulmonary emphysema",
    "emphysematous lung": "pulmonary emphysema",
    "fatty liver": "steatotic liver disease",
    "fluid in the pericardial space": "pericardial effusion",
    "gallbladder stone": "cholelithiasis",
    "gallstone": "cholelithiasis",
    "heart failure": "congestive heart failure",
    "HIV positive": "human immunodeficiency virus infectious disease",
    "kidney stone": "nephrolithiasis",
    "liver cell carcinoma": "hepatocellular carcinoma",
    "lung embolism": "pulmonary embolism",
    "osteoarthritic change": "osteoarthritis",
    "pericardial fluid": "pericardial effusion",
    "renal stone": "nephrolithiasis",
    "salivary stone": "sialolithiasis",
    "staghorn calculus": "nephrolithiasis",
    "spondylotic change": "spondylosis",
    "type 2 diabetic": "type 2 diabetes mellitus",
    "ureteral stone": "ureterolithiasis",
    "urinary stone": "urolithiasis",
}

# Phrases that hold the name of a disease and mean none: devices, organisms, tests, other findings.
NO_DISEASES = (
    "BCG vaccine", "cancer antigen", "cancer cell line",
    "cancer center", "cancer institute", "cancer registry", "cancer screening",
    "carcinoma cell line", "glaucoma drainage device", "glaucoma implant",
    "glaucoma shunt", "glaucoma tube", "glaucoma valve", "Haemophilus influenzae",
    "hepatitis B surface antigen", "hepatitis B vaccine", "hernia mesh", "herpes simplex virus",
    "influenza vaccine", "influenza virus", "Klebsiella pneumoniae", "measles vaccine",
    "Mycobacterium tuberculosis", "Mycoplasma pneumoniae", "orbital emphysema", "rabies virus",
    "soft tissue emphysema", "Streptococcus pneumoniae", "stroke index",
    "stroke unit", "stroke volume", "subcutaneous emphysema", "surgical emphysema",
    "tumor necrosis factor", "varicella zoster virus",
)  # fmt: skip

_IN_BRACKETS = re.compile(r"[(\[]([^()\[\]]{2,60})[)\]]")
_LEGEND = re.compile(r"(?<![\w-])([A-Z][A-Za-z0-9-]{1,9})\s?(?:[:=]|,(?=\s?[a-z]))\s?")
_SHORT = re.compile(r"[A-Za-z0-9][A-Za-z0-9/&-]{1,9}")
_WORDS = re.compile(r"[^\s\-/,;:.()\[\]]+")
_MINOR = frozenset({"of", "the", "in", "and", "a", "for", "with", "to", "by"})
_MAX_ACRONYM_LETTERS = 9


@dataclass(frozen=True, slots=True)
class Definition:
    """A short form that a text defines.

    Attributes:
        short: The short form as written.
        short_start: Its place in the text, in characters.
        start: Where its long form begins.
        end: Where its long form ends.
    """

    short: str
    short_start: int
    start: int
    end: int


def is_acronym(text: str) -> bool:
    """Tell whether a name is a short form that must be written in capitals to mean it.

    One word of at most nine characters with two capitals, or capitals and digits: ``NSCLC``,
    ``ccRCC``, ``CMT2L``.
    """
    if " " in text or not 1 < len(text) <= _MAX_ACRONYM_LETTERS:
        return False
    capitals = sum(letter.isupper() for letter in text)
    has_digit = any(letter.isdigit() for letter in text)
    return capitals >= 2 or (capitals == 1 and has_digit)


def find_definitions(text: str) -> tuple[Definition, ...]:
    """Return the short forms that a text defines, in its order.

    Three ways of writing are read: ``renal cell carcinoma (RCC)``, ``RCC (renal cell carcinoma)``
    and legends (``RCC: renal cell carcinoma``, ``LV, left ventricle``). In the first, the letters
    of the short form must be found backwards in the words before the bracket, the first at the
    start of a word; in the others they must be the initials of the words that follow.

    Args:
        text: A caption or report.

    Source:
        The first rule follows the idea of Schwartz and Hearst 2003, "A simple algorithm for
        identifying abbreviation definitions in biomedical text".
    """
    brackets = (_of_bracket(text, match) for match in _IN_BRACKETS.finditer(text))
    legends = (_of_legend(text, match) for match in _LEGEND.finditer(text))
    found = [item for item in (*brackets, *legends) if item is not None]
    return tuple(sorted(found, key=lambda item: item.short_start))


def _of_bracket(text: str, match: re.Match[str]) -> Definition | None:
    """Read ``long form (SHORT)`` or ``SHORT (long form)``."""
    opening = match.start()
    head = re.split(r"[;,=:]", match[1])[0].strip()
    if _is_short(head):
        start = _long_start(text, opening, head)
        if start is not None:
            end = opening - text[opening - 1].isspace()
            return Definition(head, match.start(1), start, end)
    before = text[max(opening - 12, 0) : opening].split()
    if before and _is_short(before[-1]):
        end_of_words = _initials_end(text, match.start(1), match.end(1), before[-1])
        if end_of_words is not None:
            place = text.rindex(before[-1], 0, opening)
            return Definition(before[-1], place, match.start(1), end_of_words)
    return None


def _of_legend(text: str, match: re.Match[str]) -> Definition | None:
    """Read ``SHORT: long form`` or ``SHORT, long form``."""
    end = _initials_end(text, match.end(), min(match.end() + 80, len(text)), match[1])
    return None if end is None else Definition(match[1], match.start(1), match.end(), end)


def _is_short(text: str) -> bool:
    return (
        _SHORT.fullmatch(text) is not None
        and any(letter.isupper() for letter in text)
        and sum(letter.isalpha() for letter in text) > 1
    )


def _long_start(text: str, bracket: int, short: str) -> int | None:
    """Return where the long form before a bracket begins, or None if there is none."""
    letters = [letter.lower() for letter in short if letter.isalnum()]
    most = min(len(letters) + 5, 2 * len(letters))
    window = text[max(bracket - 30 * most, 0) : bracket]
    words = list(_WORDS.finditer(window))[-most:]
    if not words:
        return None
    place = len(window.rstrip())
    lowest = words[0].start()
    for number in range(len(letters) - 1, -1, -1):
        place -= 1
        while place >= lowest and not (
            window[place].lower() == letters[number]
            and (number > 0 or place == 0 or not window[place - 1].isalnum())
        ):
            place -= 1
        if place < lowest:
            return None
    if place == len(window.rstrip()) - len(short):
        return None
    return bracket - len(window) + place


def _initials_end(text: str, start: int, stop: int, short: str) -> int | None:
    """Return where the words whose initials a short form is made of end, or None."""
    letters = [letter.lower() for letter in short if letter.isalpha()]
    if len(letters) < 2:
        return None
    taken = 0
    for word in _WORDS.finditer(text, start, stop):
        if word.group()[0].lower() == letters[taken]:
            taken += 1
            if taken == len(letters):
                return word.end()
        elif word.group().lower() not in _MINOR:
            return None
    return None
