"""The kinds of releases that can be imported, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from medvlp.errors import UsageError
from medvlp.models.importers.carzero import import_carzero
from medvlp.models.importers.ct_clip import import_ct_clip
from medvlp.models.importers.ct_fm import import_ct_fm
from medvlp.models.importers.kad import import_kad
from medvlp.models.importers.keep import import_keep
from medvlp.models.importers.kep import import_kep
from medvlp.models.importers.mavl import import_mavl
from medvlp.models.importers.medklip import import_medklip
from medvlp.models.importers.merlin import import_merlin
from medvlp.models.importers.open_clip_layout import BIOMEDCLIP, QUILTNET, import_open_clip
from medvlp.models.importers.plip import import_plip
from medvlp.models.importers.records import ImportReport, ImportRequest
from medvlp.models.importers.renalclip import import_renalclip
from medvlp.registry import Registry

__all__ = ["IMPORTERS", "Importer", "import_release"]

_OF_SLIDES = ("mpp", "tile_px", "tokenizer", "architecture", "activation")
_OF_VOLUMES = ("texts", "orientation")
_OF_RADIOGRAPHS = ("text_model", "tokenizer")
_ALL = tuple(dict.fromkeys((*_OF_SLIDES, *_OF_VOLUMES, *_OF_RADIOGRAPHS, "input_px")))


@dataclass(frozen=True)
class Importer:
    """One kind of release.

    Attributes:
        summary: What it is, in one line.
        run: Converts a release of this kind.
        options: Options of a request that have a meaning for this kind, besides those of all.
    """

    summary: str
    run: Callable[[ImportRequest], ImportReport]
    options: tuple[str, ...] = _OF_SLIDES


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
IMPORTERS.register("renalclip")(
    Importer("RenalCLIP's image encoder, a file of weights", import_renalclip, _OF_VOLUMES)
)
IMPORTERS.register("ct-fm")(Importer("CT-FM's feature extractor", import_ct_fm, ("orientation",)))
IMPORTERS.register("merlin")(
    Importer("Merlin's image encoder, a file of weights", import_merlin, _OF_VOLUMES)
)
IMPORTERS.register("ct-clip")(
    Importer("CT-CLIP, a file of weights", import_ct_clip, ("tokenizer", "orientation"))
)
IMPORTERS.register("medklip")(
    Importer("MedKLIP, a checkpoint of its training", import_medklip, _OF_RADIOGRAPHS)
)
IMPORTERS.register("kad")(
    Importer("KAD, a checkpoint of its training", import_kad, (*_OF_RADIOGRAPHS, "input_px"))
)
IMPORTERS.register("mavl")(
    Importer("MAVL, a checkpoint of its training", import_mavl, _OF_RADIOGRAPHS)
)
IMPORTERS.register("carzero")(
    Importer("CARZero, a checkpoint of Lightning", import_carzero, _OF_RADIOGRAPHS)
)


def import_release(kind: str, request: ImportRequest) -> ImportReport:
    """Convert a release into a bundle.

    Args:
        kind: A name of ``IMPORTERS``.
        request: What the user asks for.

    Raises:
        ConfigError: If there is no such kind (MV1003).
        UsageError: If the output folder is taken (MV2112), or an option is not valid (MV2109,
            MV2115) or has no meaning for this kind (MV2113).
        ModelError: If the release cannot be used (MV14xx, MV21xx).
    """
    importer = IMPORTERS.get(kind)
    if request.out.exists() and (request.out.is_file() or any(request.out.iterdir())):
        raise UsageError(
            "MV2112", f"{request.out} is there already", expected="a path for a new folder"
        )
    flags = {name: f"--{name.replace('_', '-')}" for name in _ALL}
    for option in sorted(flags.keys() - set(importer.options)):
        if getattr(request, option) is not None:
            raise UsageError(
                "MV2113",
                f"{flags[option]} has no meaning for a release of kind {kind!r}",
                expected=f"none but {', '.join(flags[name] for name in importer.options)}",
            )
    request.scale()  # a bad scale is told before gigabytes are read
    return importer.run(request)
