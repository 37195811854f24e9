"""MAVL: a residual network whose patches are asked by each visual aspect of a finding.

Names in the release, below ``model`` and behind ``module.``: ``backbone.N.*`` with the parts of
torchvision's network in order, ``pool.*`` with CLIP's attention pooling, ``res_l1``, ``res_l2``,
``disease_embedding_layer``, ``location_emb``, ``classifier`` and ``decoder.*``; ``temp`` serves the
loss alone. Its texts were embedded once, by a frozen encoder that is not in the file.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from medvlp.errors import ModelError
from medvlp.models.importers.bert_release import read_text_model
from medvlp.models.importers.checkpoints import read_checkpoint
from medvlp.models.importers.medklip import OBSERVATIONS
from medvlp.models.importers.radiograph_release import (
    RadiographRelease,
    decoder_values,
    read_network_settings,
    resnet_key,
    resnet_values,
    write_radiograph_release,
)
from medvlp.models.importers.records import Origin
from medvlp.models.importers.release_shapes import require, size_of
from medvlp.models.importers.source import open_source
from medvlp.models.radiograph.released_settings import MavlSettings

if TYPE_CHECKING:
    from medvlp.models.importers.records import ImportReport, ImportRequest

__all__ = ["import_mavl"]

_IMAGE = "backbone."
_MAX_TOKENS = 128
_FIRST_TEMPERATURE = 0.07
_FILES = ("checkpoint_full_46.pth", "checkpoint_full_40.pth", "checkpoint_short_37.pth")
_ORIGIN = Origin(
    name="mavl",
    data="MIMIC-CXR radiographs with triplets of RadGraph, and visual aspects written by a "
    "language model (MAVL)",
    license="not stated: the authors' repository has no licence",
    notes=(
        "Give a finding a definition and one appearance for each of eight aspects (opacity, shape, "
        "texture, border, location, patterns, fluid, other): the weights were trained so.",
        "For findings that were not trained the authors judge by similarity, whose scores stay "
        "near one half: they rank.",
        "Training turned images over, left to right, while reports name sides: do not ask for "
        "sides.",
        "Findings that are asked for together see one another: the answer to one depends a little "
        "on the others.",
    ),
)


def import_mavl(request: ImportRequest) -> ImportReport:
    """Convert a checkpoint of MAVL into a bundle, with the text encoder that the user names.

    Raises:
        ModelError: MV2107 for its variants with vision transformers, other MV2100 to MV2106 and
            MV2116 for what the file lacks or has otherwise, MV2108 and MV2118 for its text encoder,
            MV1405 for weights that are not numbers.
    """
    weights = open_source(request.source).weights(_FILES)
    where = str(weights)
    tensors = {name: t for name, t in read_checkpoint(weights).items() if "temp" not in name}
    if any(name.startswith((f"{_IMAGE}encoder.", f"{_IMAGE}blocks.")) for name in tensors):
        raise ModelError(
            "MV2107",
            f"{where} is a MAVL with a vision transformer, of which no weights were released",
            expected="MAVL with ResNet-50",
        )
    num_aspects = size_of(require(tensors, "location_emb.weight", where), 2)
    values = {
        "image": resnet_values(tensors, _IMAGE, where),
        "decoder": {**decoder_values(tensors, "decoder.", where), "head": "binary"},
        "num_aspects": num_aspects,
    }
    text = read_text_model(request, _MAX_TOKENS)
    release = RadiographRelease(
        settings=read_network_settings(values, MavlSettings, text, where),
        tensors=tensors,
        theirs=lambda name: resnet_key(name, _IMAGE),
        text=text,
        weights=weights,
        made={"temp": torch.full((num_aspects,), -math.log(_FIRST_TEMPERATURE))},
        findings_seen=OBSERVATIONS,
    )
    return write_radiograph_release(request, _ORIGIN, release)
