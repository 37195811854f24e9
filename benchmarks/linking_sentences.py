"""Sentences that hold a name or synonym of an ontology, with known truth, from a seed.

A third asserts it, a third denies it, and in a third one letter is wrong (a quarter of these are
denied too). Five sets of templates share no sentence. ``development`` was looked at while the
linker was written; ``second``, ``third`` and ``fourth`` were unseen at their first run and looked
at after it; ``fresh`` was written before the work that followed from the fourth, and not looked at.
"""

from __future__ import annotations

import random
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from medvlp.knowledge.hierarchy import EXCLUDED_UPPER
from medvlp.knowledge.normalize import normalize_term

if TYPE_CHECKING:
    from medvlp.knowledge.graph import KnowledgeGraph

Kind = Literal["plain", "negated", "misspelt"]
KINDS: tuple[Kind, ...] = ("plain", "negated", "misspelt")
DENIED_SHARE_OF_MISSPELT = 0.25

ASSERTING = {
    "development": (
        "The biopsy showed {}.",
        "CT of the abdomen demonstrating {} in a 45-year-old man.",
        "{} with extension to the adjacent soft tissue (arrow).",
        "A 63-year-old woman with {} after surgery.",
        "Follow-up of a patient known for {}.",
        "Histology confirms {}, H&E, x200.",
        "Axial T2-weighted image: {}.",
        "There is no mass, but {} is evident.",
        "The final diagnosis was {}.",
        "Findings are those of {} (asterisk).",
        "Her history includes {} and two operations.",
        "Typical appearance of {} on ultrasound.",
        "Radiograph of the left hand in {}.",
        "Although the margins were clear, {} recurred two years later.",
        "This case of {} was treated with antibiotics.",
        "Micrograph of {}; the nuclei are round.",
        "Without contrast, the scan already showed {}.",
        "{} in a newborn.",
        "We report {} in two brothers.",
        "Photograph of the specimen: {}, cut surface.",
    ),
    "second": (
        "Coronal reformation depicting {} on the right side.",
        "Immunostaining supports the diagnosis of {}.",
        "{}: low-power view.",
        "A girl aged 7 years was admitted for {}.",
        "Autopsy disclosed {} as the cause of death.",
        "Note the extensive {} (white arrowheads).",
        "No fracture is visible; {} is seen instead at the base.",
        "Sonogram obtained at 22 weeks, {}.",
        "Patients with {} were enrolled in the study.",
        "The specimen contained {} and normal tissue.",
        "Section through a nodule of {}, Giemsa stain.",
        "Angiography in the same patient, who suffers from {}.",
        "He had been operated on for {} ten years ago.",
        "Despite normal laboratory values, {} was proven on biopsy.",
        "Image of {}, before and after treatment.",
        "Chest film taken on admission reveals {}.",
        "Her sister and she were both diagnosed with {}.",
        "Never smoker with {} and weight loss.",
        "Gross appearance of {} at resection.",
        "The tumour board agreed on {}.",
    ),
    "third": (
        "T1-weighted image after gadolinium; {} of the index patient.",
        "Histopathology of the resected tissue was reported as {}.",
        "This 29-year-old presented with fever and was found to have {}.",
        "Known {}, now with worsening dyspnoea.",
        "Haematoxylin-eosin stain of {} at high magnification.",
        "Fundus photograph of a boy with {}.",
        "The radiologist's impression: {}.",
        "No contrast agent was given; {} is outlined by the dotted line.",
        "Bone scan of a woman treated for {} in 2009.",
        "In {}, the cortex is thinned (curved arrow).",
        "Prenatal ultrasound led to the diagnosis of {}.",
        "The father died of {}.",
        "Representative example of {} from our archive.",
        "Comparison of {} (left) and healthy control (right).",
        "Two years later the boy developed {}.",
        "Endoscopic view in {}: note the pale mucosa.",
        "Progression of {} despite six cycles of chemotherapy.",
        "The lesion turned out to be {}.",
        "Genetic testing established {} in the proband.",
        "Secondary to {}, the vessel wall is thickened.",
        "Imaging was not repeated, as {} had already been proven.",
        "Panel B: {}; panel C: normal counterpart.",
        "Axial slice at the level of the hilum, compatible with {}.",
        "Cytology of the fluid was positive for {}.",
    ),
    "fourth": (
        "{} (arrow) next to the aorta.",
        "Plain film in {}, anteroposterior view.",
        "Whole-slide image, {}, scanned at 40x.",
        "This sample was labelled as {} by two pathologists.",
        "A man in his fifties with long-standing {} underwent MRI.",
        "CT shows {} abutting the diaphragm.",
        "The differential was wide, yet {} was eventually established.",
        "Although the first biopsy was normal, the second revealed {}.",
        "Pedigree of a family with {}.",
        "Post mortem slice from a donor with {}.",
        "After resection of {}, the wound healed well.",
        "{} treated with radiotherapy, no complications.",
        "Photomicrograph demonstrating {} in the upper half of the field.",
        "She was referred because of {}.",
        "High-resolution view of the nail in {}.",
        "Sagittal plane: {}, not previously described in this region.",
        "Electron microscopy of muscle from a girl with {}.",
        "The arrowheads delineate {}.",
    ),
    "fresh": (
        "{} involving the left temporal region.",
        "Low-power micrograph; {}, trichrome stain.",
        "MRI in a teenager whose diagnosis is {}.",
        "{}, postoperative control.",
        "The upper row shows {}, the lower row a healthy volunteer.",
        "Bronchoscopy in advanced {}.",
        "Extensive {} can be appreciated in the sagittal plane.",
        "Not only the bone but also the skin is affected by {}.",
        "Diagnosed with {} at the age of twelve, he did well on diet.",
        "There was marked improvement of {} under steroids.",
        "Imaging features characteristic for {}.",
        "{} was found incidentally.",
        "The mass, which measured 3 cm, represented {}.",
        "Case 4. {}. Fat-suppressed image.",
        "Scintigraphy was positive, and {} was confirmed.",
        "Owing to {}, the patient could not be intubated.",
        "Serial sections of a tooth in {} (scale bar 2 mm).",
        "Woman aged 71 years, {}, no previous treatment.",
        "Dermoscopy: {}.",
        "Computed tomography performed without contrast agent revealed {}.",
        "In this animal model of {}, the cortex is thin.",
        "He was transferred with suspected sepsis, but {} was diagnosed.",
        "Slices through the brain of a donor who had {}.",
        "Both siblings have {}.",
        "Surgeons removed {} from the right lobe.",
    ),
}
DENYING = {
    "development": (
        "No evidence of {}.",
        "There was no {} on any section.",
        "{} was ruled out by biopsy.",
        "The patient denies {}.",
        "Normal study without {}.",
        "Negative for {}.",
        "The lungs are clear, and there is no sign of {}.",
        "{} was not seen on follow-up.",
        "CT excluded {}.",
        "Absence of {} was confirmed at surgery.",
        "Neither swelling nor {} was noted.",
        "The margins are free of {}.",
        "Serology argued against {}.",
        "No nodules, no effusion and no {}.",
        "We found no features suggesting {}.",
        "{} has been excluded.",
        "The slide does not show {}.",
        "Screening was negative for {} in all relatives.",
        "Oedema, not {}, explains the swelling.",
        "She never had {}.",
    ),
    "second": (
        "Nothing on this film points to {}.",
        "The scan fails to show any {}.",
        "{} could be excluded with certainty.",
        "Microscopy found no trace of {}.",
        "He has no history of {} or of previous surgery.",
        "No definite {} is identified on this sequence.",
        "Results were not compatible with {}.",
        "The biopsy was negative, ruling out {}.",
        "Signs of {} are absent.",
        "The child did not develop {} during five years.",
        "There are no imaging findings of {}.",
        "{}: not present.",
        "The kidneys are normal in size, without stones or {}.",
        "This is not a case of {}.",
        "Radiographs revealed neither a fracture nor {}.",
        "{} was considered but has been ruled out.",
        "Her mother is healthy and there is no {} in the family.",
        "None of the sections contained {}.",
        "Lack of {} on repeated examination.",
        "The diagnosis of {} was rejected.",
    ),
    "third": (
        "There was no radiological indication of {}.",
        "Staining for fungi was negative and {} could not be demonstrated.",
        "{} was not found at autopsy.",
        "Both parents are unaffected by {}.",
        "The child has never suffered from {}.",
        "No convincing features of {} on either side.",
        "We did not observe {} in any of the animals.",
        "The appearance is unlike that of {}, which was excluded by culture.",
        "{} is not among her diagnoses.",
        "After workup, {} was dismissed.",
        "Blood tests excluded {} and swelling of other origin.",
        "The margins show inflammation only, with no residual {}.",
        "At no time was there evidence for {}.",
        "The right eye is normal, with neither a haze nor {}.",
        "The sample did not contain {}.",
        "Ultrasound was done and {} was confidently excluded.",
        "The patient had no known {}.",
        "No {}, no free air.",
        "Findings speak against {}.",
        "Absence of {} (normal control).",
        "Repeat imaging could not confirm {} and shows a normal aorta.",
        "There is not any {} visible here.",
        "{} (-), fever (+).",
        "A normal examination: {} is not present.",
    ),
    "fourth": (
        "The patient does not have {}.",
        "Histology shows no {}.",
        "There is no {}.",
        "No {} was detected in the resection specimen.",
        "MRI did not reveal {}.",
        "Workup for {} was negative.",
        "Free of {} five years after treatment.",
        "{} was not confirmed.",
        "No signs or symptoms of {}.",
        "She does not suffer from {}.",
        "The right lung is without {}.",
        "Our findings exclude {}.",
        "No case of {} occurred in this cohort.",
        "He tested negative for {}.",
        "It is not {} but a benign variant.",
        "Control animal, no {}.",
        "{} has not been observed in these mice.",
        "Normal retina with no sign of {}.",
    ),
    "fresh": (
        "No sonographic evidence for {}.",
        "The examination was unremarkable with no features of {}.",
        "{} was not identified in any slide.",
        "Culture-proven infection was not found and {} was excluded as well.",
        "He does not have {} and never did.",
        "Radiologically there is no {}.",
        "Normal bowel loops, no {}.",
        "Sections are negative for {}.",
        "The absence of {} makes the diagnosis less certain.",
        "No {} or other abnormality.",
        "Immunohistochemistry did not support {}.",
        "There were neither clinical nor radiological signs of {}.",
        "Without any {}, the patient was discharged.",
        "{} is absent in this section.",
        "We saw no {} on the delayed images.",
        "The scan rules out {}.",
        "{} has been ruled out with MRI.",
        "Follow-up CT: {} no longer visible.",
        "Her lungs are free from {}.",
        "Tests for {} came back negative.",
        "The parents reported no {}.",
        "Not suggestive of {}.",
        "{} was unequivocally excluded by biopsy.",
        "This patient, who has no {}, served as a control.",
        "Lesion of unknown origin, not {}.",
    ),
}


@dataclass(frozen=True)
class Sentence:
    """One sentence with its truth.

    Attributes:
        text: The sentence.
        kind: Which third it belongs to.
        written: The name or synonym as it stands in the sentence.
        concepts: The terms that bear this name; linking to any of them is right.
        status: What the sentence says of it.
    """

    text: str
    kind: Kind
    written: str
    concepts: frozenset[str]
    status: Literal["present", "absent"]


def draw_sentences(
    graph: KnowledgeGraph, seed: int, *, count: int, templates: str
) -> list[Sentence]:
    """Draw sentences; the same seed gives the same ones.

    Names are drawn uniformly from all distinct names and synonyms of terms that are neither
    obsolete nor an upper node; short forms (``CMT2L``) count like any other.

    Args:
        graph: The ontology.
        seed: Seed.
        count: How many.
        templates: ``development``, ``second``, ``third``, ``fourth`` or
            ``fresh``.
    """
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    bearers = names_of(graph)
    names = sorted({name for names, _ in bearers.values() for name in names})
    sentences = []
    for number in range(count):
        kind = KINDS[number % 3]
        is_denied = kind == "negated" or (
            kind == "misspelt" and rng.random() < DENIED_SHARE_OF_MISSPELT
        )
        name = rng.choice(names)
        written = misspell(name, rng, set(bearers)) if kind == "misspelt" else name
        template = rng.choice((DENYING if is_denied else ASSERTING)[templates])
        text = template.format(written)
        sentences.append(
            Sentence(
                text[0].upper() + text[1:] if name[1:].islower() else text,
                kind,
                written,
                frozenset(bearers[normalize_term(name)][1]),
                "absent" if is_denied else "present",
            )
        )
    return sentences


def names_of(graph: KnowledgeGraph) -> dict[str, tuple[set[str], set[str]]]:
    """Return normalised name -> (its ways of writing, the terms that bear it)."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for term in graph:
        if term.is_obsolete or term.id in EXCLUDED_UPPER:
            continue
        for name in (term.name, *(synonym.text for synonym in term.synonyms)):
            writings, concepts = found.setdefault(normalize_term(name), (set(), set()))
            writings.add(name)
            concepts.add(term.id)
    return found


def misspell(name: str, rng: random.Random, taken: set[str]) -> str:
    """Return a name with one letter replaced, left out, doubled in or swapped with the next.

    The place is uniform over all letters, also of short words and short forms. A result that is
    another name of the ontology, or the same one, is drawn again.
    """
    places = [i for i, letter in enumerate(name) if letter.isalpha()]
    for _ in range(100):
        i = rng.choice(places)
        letter = rng.choice(string.ascii_lowercase)
        letter = letter.upper() if name[i].isupper() else letter
        swaps = i + 1 < len(name) and name[i + 1].isalpha()
        written = rng.choice(
            (
                name[:i] + letter + name[i + 1 :],
                name[:i] + name[i + 1 :],
                name[:i] + letter + name[i:],
                name[:i] + name[i + 1] + name[i] + name[i + 2 :] if swaps else name,
            )
        )
        if normalize_term(written) not in taken:
            return written
    return name
