"""What a sentence on a finding speaks of: its appearance, by facet, or something else.

Written for English descriptions of radiographs. Words are given by their beginnings.
"""

from __future__ import annotations

import re

__all__ = ["APPEARANCE_FACETS", "contrast_words", "facet_of", "is_about_appearance", "off_topic"]

_FACET_STEMS = {
    "brightness": """white whit black dark bright grey gray dense densit opaque opaci lucen
        radiopaque radiolucen haze hazy veil attenuat translucen shadow faint glass visible""",
    "shape": """round oval triang wedge linear line lines band curv crescent menisc lens lenticular
        lobulat ring tubular spher shape flat dome straight bulg strip arc bottle box loop step bar
        bars plate beak""",
    "border": """border margin edge outline contour sharp ill-defined well-defined blur smooth
        spicul spike silhouette circumscrib fuzzy indistinct ragged rough shaggy wall""",
    "texture": """homogen heterogen pattern reticul net nodul mottl patch granul streak honeycomb
        bronchogram textur even evenly uniform fluffy calcif chalk mesh dots coarse branch ground
        bubbles staples""",
    "place": """apex apic apices base bases basal basilar zone lobe upper lower middle central
        periph hilum hila hilar perihilar subpleural bilateral unilateral side sides left right
        midline retrocardiac above below behind costophrenic mediastin diaphragm fissure apart
        corner trachea stomach rib ribs lung vessel pleura heart spine neck armpit tube tip tissue
        muscle bone vertebra air apart front behind against beside film chest knob bronch clip""",
    "number and size": """single multiple several numerous solitary countless few mm cm millimet
        centimet large small size diameter wide width half third two both""",
    "signs": """displac shift push pull elevat blunt obscur efface deviat depress compress collaps
        sign widen enlarg absent loss lost missing level fluid hollow gap follow outlin expand
        overinflat thick thin narrow bent smaller larger
        look like normal""",
    "course": """day days week month year hour resolv progress chang persist later stable grow""",
}
APPEARANCE_FACETS = tuple(_FACET_STEMS)
"""Facets of appearance in the order in which sentences are put."""

# Facets of which one word is enough; of the others it takes two.
_TELLING = frozenset({"brightness", "shape", "border", "texture", "signs"})

_OFF_TOPIC = {
    "treatment": """treat therap antibiotic steroid chemotherap drug dose medication prophyla
        vaccin manage manag""",
    "epidemiology": """incidence prevalen epidemiolog mortality prognos surviv inherit genetic
        mutation hereditary populat""",
    "clinical picture": """symptom cough fever dyspn breathless haemoptysis hemoptysis pain
        auscultat sputum laborator serolog asymptomatic complain""",
    "cause": """aetiolog etiolog pathogen pathophysiolog histolog cytolog biops microscop bacteri
        caused causes""",
    "another examination": """ct mri mr pet ultrasound sonograph tomograph hounsfield scintigraph
        angiograph t1 t2 echocardiograph hrct bronchoscop""",
    "advice": """recommend differential referr consult guideline classif mnemonic""",
    "the source": """radiopaedia wikipedia umls courtesy copyright licence license medlineplus
        doi isbn http https www article figure references""",
}
_WHOLE_WORDS = frozenset(
    "ct mri mr pet t1 t2 doi line lines bar bars even net mm cm day days few two both".split()
)

_CONTRASTS = frozenset(
    """no not without never left right upper lower middle both bilateral unilateral one single
    several multiple smooth irregular rough sharp blurred ragged white black dark bright thick thin
    large small increased decreased high low above below frontal side lying upright early late first
    medial lateral apex base apical basal""".split()
)
_WORD = re.compile(r"[^\W_]+(?:-[^\W\d_]+)*")


def _compiled(stems: str) -> re.Pattern[str]:
    words = [
        re.escape(stem) + (r"\b" if stem in _WHOLE_WORDS else r"[^\W_]*") for stem in stems.split()
    ]
    return re.compile(rf"(?<![\w-])(?:{'|'.join(words)})", re.IGNORECASE)


_FACETS = {facet: _compiled(stems) for facet, stems in _FACET_STEMS.items()}
_TOPICS = {topic: _compiled(stems) for topic, stems in _OFF_TOPIC.items()}


def facet_of(sentence: str) -> str:
    """Return the facet that most words of a sentence belong to, the earlier of equals.

    Args:
        sentence: A sentence on how a finding looks.
    """
    counts = [len(words.findall(sentence)) for words in _FACETS.values()]
    return APPEARANCE_FACETS[counts.index(max(counts))]


def is_about_appearance(sentence: str) -> bool:
    """Tell whether a sentence has a word of brightness, shape, border, texture or a sign.

    Two words of place, number or course do as well.

    Args:
        sentence: A sentence.
    """
    counts = {facet: len(words.findall(sentence)) for facet, words in _FACETS.items()}
    return any(counts[facet] for facet in _TELLING) or sum(counts.values()) > 1


def off_topic(sentence: str) -> str:
    """Return what a sentence speaks of that a radiograph does not show, empty if of nothing such.

    Args:
        sentence: A sentence.
    """
    return next((topic for topic, words in _TOPICS.items() if words.search(sentence)), "")


def contrast_words(sentence: str) -> frozenset[str]:
    """Return the words that make a sentence say the opposite: sides, zones, denials and the like.

    Args:
        sentence: A sentence.
    """
    return _CONTRASTS.intersection(_WORD.findall(sentence.lower()))
