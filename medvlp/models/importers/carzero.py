"""CARZero: prompts ask a vision transformer's patches, and images ask the words of prompts.

Names in the release, below ``state_dict`` and behind ``CARZero.``: ``img_encoder.model.*`` with
timm's names, ``text_encoder.model.*`` with a BERT, ``fusion_module.*`` with ``decoder.*`` (its last
normalisation a second time as ``decoder_norm``, and self-attention that is never used) and
``mlp_head.*``. Its settings are objects of a configuration library, which are not loaded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import torch

from medvlp.errors import ModelError
from medvlp.models.importers.bert_release import text_tower_of
from medvlp.models.importers.checkpoints import read_record, table_of_tensors
from medvlp.models.importers.radiograph_release import (
    RadiographRelease,
    decoder_values,
    drop_copies,
    read_network_settings,
    write_radiograph_release,
)
from medvlp.models.importers.records import Origin
from medvlp.models.importers.release_shapes import (
    count_numbered,
    require,
    size_of,
    without_parts,
)
from medvlp.models.importers.source import open_source
from medvlp.models.radiograph.released_settings import CarzeroSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medvlp.models.importers.records import ImportReport, ImportRequest

__all__ = ["import_carzero", "release_key"]

_IMAGE, _TEXT, _FUSION = "img_encoder.model.", "text_encoder.model.", "fusion_module."
_PREFIX = "CARZero."
_UNUSED = re.compile(r"decoder\.layers\.\d+\.(self_attn|norm1)\..*")
_WORDS, _LAST_LAYERS, _HEAD_WIDTH = 97, 4, 64
_OWN: Final = {"patch_size": 16, "width": 768, "depth": 12, "heads": 12}
_ORIGIN = Origin(
    name="carzero",
    data="MIMIC-CXR radiographs and reports, rewritten by a language model (CARZero)",
    license="Apache-2.0, as the authors' repository states",
    notes=(
        "The authors cut images to the middle 224 of 256 pixels; here the whole image is brought "
        "to 224.",
        "The authors ask with prompts ('There is ...') without punctuation: put them where names "
        "stand.",
        "Training turned images over, left to right, while reports name sides: do not ask for "
        "sides.",
    ),
)


def import_carzero(request: ImportRequest) -> ImportReport:
    """Convert a checkpoint of CARZero into a bundle.

    Raises:
        ModelError: MV2100 to MV2106, MV2116 and MV2119 for what the file lacks or has otherwise,
            MV2108 for its tokenizer, MV1405 for weights that are not numbers.
    """
    weights = open_source(request.source).weights(("CARZero_best_model.ckpt",))
    where = str(weights)
    tensors = _without_prefix(table_of_tensors(read_record(weights), "state_dict", weights), where)
    bert = _below(tensors, _TEXT)
    bert = without_parts(bert, ("pooler.",))
    fusion = drop_copies(_below(tensors, _FUSION), {"decoder_norm.": "decoder.norm."}, where)
    fusion.pop("logit_scale", None)
    image = {name: t for name, t in tensors.items() if name.startswith(_IMAGE)}
    others = without_parts(tensors, (_TEXT, _FUSION, _IMAGE))
    text = text_tower_of(request, bert, weights, "cls", _WORDS)
    values = {
        **_image_values(image, where),
        "decoder": {
            **decoder_values(fusion, "decoder.", where),
            "self_attention": False,
            "shared_norm": True,
            "head": "score",
        },
        "num_slots": _WORDS,
        "last_layers": min(_LAST_LAYERS, text.settings.layers + 1),
    }
    ids = sorted(text.tokenizer.vocabulary.items(), key=lambda item: item[1])
    used = {name: t for name, t in fusion.items() if not _UNUSED.fullmatch(name)}
    release = RadiographRelease(
        settings=read_network_settings(values, CarzeroSettings, text, where),
        tensors={**image, **{f"{_FUSION}{name}": t for name, t in used.items()}, **others},
        theirs=release_key,
        text=text,
        weights=weights,
        made={"continues": torch.tensor([piece.startswith("##") for piece, _ in ids])},
    )
    return write_radiograph_release(request, _ORIGIN, release)


def _without_prefix(tensors: Mapping[str, torch.Tensor], source: str) -> dict[str, torch.Tensor]:
    other = next((name for name in tensors if not name.startswith(_PREFIX)), None)
    if other is not None:
        raise ModelError(
            "MV2105",
            f"{source} is not of this layout: {other!r} does not begin with {_PREFIX!r}",
            hint="check the kind that was named",
        )
    return {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items()}


def _below(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _image_values(tensors: Mapping[str, torch.Tensor], source: str) -> dict[str, Any]:
    """Return the settings of the vision transformer; its heads are 64 wide."""
    first = require(tensors, f"{_IMAGE}patch_embed.proj.weight", source)
    positions = require(tensors, f"{_IMAGE}pos_embed", source)
    inner = require(tensors, f"{_IMAGE}blocks.0.mlp.fc1.weight", source)
    width, patch = size_of(first), size_of(first, 3)
    found = {
        "patch_size": patch,
        "width": width,
        "depth": count_numbered(tensors, f"{_IMAGE}blocks."),
        "heads": max(1, width // _HEAD_WIDTH),
    }
    image: dict[str, Any] = {"architecture": "timm", "name": "vit_base_patch16_224"}
    image |= {name: value for name, value in found.items() if value != _OWN[name]}
    if size_of(inner) != 4 * width:
        image["mlp_ratio"] = size_of(inner) / max(width, 1)
    side = round((size_of(positions, 1) - 1) ** 0.5) * patch
    return {"image": image, "input_px": side}


def release_key(name: str) -> str:
    """Return what the release calls a tensor of ours."""
    for ours, theirs in (("image_tower.network.", _IMAGE), ("text_tower.bert.", _TEXT)):
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return _FUSION + name
