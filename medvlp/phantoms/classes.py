"""The tissues of a phantom slide: their codes in label maps, keys and names."""

from __future__ import annotations

from dataclasses import dataclass

from medvlp.errors import PhantomError, nearest_name

__all__ = ["CLASSES", "DIAGNOSES", "GLASS", "TUMORS", "TissueClass", "find_class"]


@dataclass(frozen=True, kw_only=True)
class TissueClass:
    """One kind of tissue, or the bare glass.

    Attributes:
        code: Value in label maps, uint8.
        key: Short stable name, as in ``PhantomSlideSpec.diagnosis``.
        names: What prompts and captions call it, the preferred name first.
        is_tumor: Whether it is one of the four diagnoses.
    """

    code: int
    key: str
    names: tuple[str, ...]
    is_tumor: bool = False


CLASSES: tuple[TissueClass, ...] = (
    TissueClass(code=0, key="glass", names=("empty glass", "background")),
    TissueClass(
        code=1,
        key="clear-cell",
        names=(
            "phantom clear cell carcinoma",
            "clear cell phantom tumor",
            "phantom carcinoma of clear cell type",
        ),
        is_tumor=True,
    ),
    TissueClass(
        code=2,
        key="papillary",
        names=(
            "phantom papillary carcinoma",
            "papillary phantom tumor",
            "phantom carcinoma of papillary type",
        ),
        is_tumor=True,
    ),
    TissueClass(
        code=3,
        key="small-cell",
        names=(
            "phantom small cell carcinoma",
            "small cell phantom tumor",
            "phantom carcinoma of small cell type",
        ),
        is_tumor=True,
    ),
    TissueClass(
        code=4,
        key="glandular",
        names=(
            "phantom adenocarcinoma",
            "gland forming phantom tumor",
            "phantom carcinoma of glandular type",
        ),
        is_tumor=True,
    ),
    TissueClass(
        code=5, key="normal", names=("normal tissue", "benign parenchyma", "normal tubules")
    ),
    TissueClass(
        code=6, key="stroma", names=("stroma", "fibrous connective tissue", "collagenous stroma")
    ),
    TissueClass(code=7, key="fat", names=("adipose tissue", "fat", "fatty tissue")),
)
"""All classes; the position in the tuple is the code in label maps."""

GLASS = CLASSES[0]

TUMORS: tuple[str, ...] = tuple(item.key for item in CLASSES if item.is_tumor)
"""Keys of the four diagnoses that are tumours."""

DIAGNOSES: tuple[str, ...] = (*TUMORS, "normal")
"""What a slide can be diagnosed as."""


def find_class(key: str) -> TissueClass:
    """Return the class with this key.

    Args:
        key: ``TissueClass.key``.

    Raises:
        PhantomError: MV1901 when no class has this key.
    """
    for item in CLASSES:
        if item.key == key:
            return item
    keys = [item.key for item in CLASSES]
    raise PhantomError(
        "MV1901",
        f"tissue class {key!r} is unknown{nearest_name(key, keys)}",
        expected=f"one of {', '.join(keys)}",
        hint="choose a class of medvlp.phantoms.classes",
    )
