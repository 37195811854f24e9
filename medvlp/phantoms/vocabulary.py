"""The words for what phantoms show: traits of each tissue, and the sentences they are put into.

Traits are noun phrases in three groups (architecture, nuclei, cytoplasm and ground), so that a
caption can name two of them without repeating itself. Names of tissues are in ``classes``.
"""

from __future__ import annotations

__all__ = ["ARTEFACT_SENTENCES", "CAPTION_TEMPLATES", "PROMPT_TEMPLATES", "TRAITS"]

PROMPT_TEMPLATES: tuple[str, ...] = (
    "{}.",
    "an H&E image of {}.",
    "a histopathology tile showing {}.",
    "a microscopic field of {}.",
    "hematoxylin and eosin stained {}.",
)
"""Sentences for the prompts of a task; ``{}`` is a name of a class. Captions use them, too."""

CAPTION_TEMPLATES: tuple[str, ...] = (
    "{name} with {first}.",
    "{name} with {first} and {second}.",
    "{first} and {second}, consistent with {name}.",
    "an H&E image of {name} with {first}.",
    "an H&E image showing {first} and {second}: {name}.",
    "the tile shows {name}: {first}, {second}.",
    "microscopy shows {first}; the picture is that of {name}.",
    "{name}, recognised by {first} and {second}.",
)
"""Sentences for captions; ``first`` and ``second`` are traits of different groups."""

ARTEFACT_SENTENCES: dict[int, str] = {
    1: "There is ink on the slide.",
    2: "The tissue is folded here.",
    4: "The field is out of focus.",
}
"""What a caption adds, by the bit in ``PhantomSlideTruth.artefacts``."""

TRAITS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "clear-cell": (
        (
            "nests of polygonal cells in a net of capillaries",
            "a nested growth without lumens",
            "an alveolar pattern with thin vascular septa",
        ),
        (
            "small round central nuclei",
            "a moderate nuclear density",
            "round nuclei far apart from each other",
        ),
        (
            "clear, empty cytoplasm",
            "optically empty cells with sharp membranes",
            "abundant pale cytoplasm and distinct cell borders",
        ),
    ),
    "papillary": (
        (
            "papillae with fibrovascular cores",
            "finger-like fronds in open white space",
            "a papillary architecture",
        ),
        (
            "nuclei lined up in a single row",
            "oval nuclei along the surface of the fronds",
            "one layer of cuboidal nuclei",
        ),
        (
            "scant basophilic cytoplasm over pink cores",
            "stalks of loose connective tissue",
            "white clefts between the fronds",
        ),
    ),
    "small-cell": (
        (
            "solid sheets of cells without glands",
            "a diffuse growth without architecture",
            "patternless sheets crossed by thin strands",
        ),
        (
            "small, crowded, moulded nuclei",
            "a very high nuclear density",
            "hyperchromatic nuclei with granular chromatin and pyknotic cells",
        ),
        (
            "scant cytoplasm",
            "hardly any cytoplasm between the nuclei",
            "a high ratio of nucleus to cytoplasm",
        ),
    ),
    "glandular": (
        (
            "irregular glands with wide lumens",
            "a gland forming growth",
            "malignant glands of uneven size and shape",
        ),
        (
            "large elongated nuclei, crowded and stratified",
            "pseudostratified columnar nuclei around lumens",
            "long nuclei at right angles to the lumen",
        ),
        (
            "a pink fibrous stroma between the glands",
            "tall columnar cells and debris in the lumens",
            "a desmoplastic stroma",
        ),
    ),
    "normal": (
        (
            "regular round tubules back to back",
            "an orderly tubular architecture",
            "even tubules with small lumens",
        ),
        (
            "small, evenly spaced, round nuclei",
            "a low nuclear density without atypia",
            "bland nuclei in a single row",
        ),
        (
            "abundant pink granular cytoplasm",
            "eosinophilic cytoplasm",
            "hardly any stroma between the tubules",
        ),
    ),
    "stroma": (
        ("wavy collagen fibres", "parallel fibrous bundles", "dense collagen with thin clefts"),
        ("scattered spindle nuclei", "a very low nuclear density", "few flat, slender nuclei"),
        ("pink fibrillar ground substance", "eosinophilic matrix", "no epithelium"),
    ),
    "fat": (
        (
            "large empty cells in a lace of membranes",
            "big white vacuoles",
            "a honeycomb of fat cells",
        ),
        ("flat nuclei pressed to the wall", "almost no nuclei", "rare peripheral nuclei"),
        ("thin pink walls", "empty white cytoplasm", "no matrix"),
    ),
    "glass": (
        ("no tissue", "an empty field", "nothing but light"),
        ("no nuclei", "no cells", "no structure"),
        ("a white field", "a uniform background", "no stain"),
    ),
}
"""Traits by class key: architecture, nuclei, cytoplasm and ground."""
