"""The kinds of releases that can be imported, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from medvlp.errors import UsageError
from medvlp.models.importers.keep import import_keep
from medvlp.models.importers.kep import import_kep
from medvlp.models.importers.open_clip_layout import BIOMEDCLIP, QUILTNET, import_open_clip
from medvlp.models.importers.plip import import_plip
from medvlp.models.importers.records import ImportReport, ImportRequest
from medvlp.registry import Registry

__all__ = ["IMPORTERS", "Importer", "import_release"]


@dataclass(frozen=True)
class Importer:
    """One kind of release.

    Attributes:
        summary: What it is, in one line.
        run: Converts a release of this kind.
    """

    summary: str
    run: Callable[[ImportRequest], ImportReport]


IMPORTERS: Registry[Importer] = Registry("kind of release")
IMPORTERS.register("keep")(Importer("KEEP, folder or training checkpoint", import_keep))
IMPORTERS.register("kep")(Importer("KEP-32 and KEP-16, folder or training checkpoint", import_kep))
IMPORTERS.register("open-clip")(Importer("any CLIP of open_clip", import_open_clip))
IMPORTERS.register("plip")(Importer("PLIP, or any CLIPModel of transformers", import_plip))
IMPORTERS.register("quiltnet")(
    Importer("QuiltNet, in open_clip's layout", partial(import_open_clip, origin=QUILTNET))
)
IMPORTERS.register("biomedclip")(
    Importer("BiomedCLIP, in open_clip's layout", partial(import_open_clip, origin=BIOMEDCLIP))
)


def import_release(kind: str, request: ImportRequest) -> ImportReport:
    """Convert a release into a bundle.

    Args:
        kind: A name of ``IMPORTERS``.
        request: What the user asks for.

    Raises:
        ConfigError: If there is no such kind (MV1003).
        UsageError: If the output folder is taken (MV2112) or an option is not valid (MV2109).
        ModelError: If the release cannot be used (MV14xx, MV21xx).
    """
    importer = IMPORTERS.get(kind)
    if request.out.exists() and (request.out.is_file() or any(request.out.iterdir())):
        raise UsageError(
            "MV2112", f"{request.out} is there already", expected="a path for a new folder"
        )
    request.scale()  # a bad scale is told before gigabytes are read
    return importer.run(request)
