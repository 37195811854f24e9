"""MedKLIP: a residual network whose patches are asked by descriptions of findings.

Names in the release, below ``model`` and behind ``module.``: ``res_features.N.*`` with the parts of
torchvision's network in order, ``res_l1``, ``res_l2``, ``disease_embedding_layer``, ``cl_fc``,
``classifier`` and ``decoder.*``. Its descriptions were embedded once, by a frozen encoder that is
not in the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from medvlp.models.importers.bert_release import read_text_model
from medvlp.models.importers.checkpoints import read_checkpoint
from medvlp.models.importers.radiograph_release import (
    RadiographRelease,
    decoder_values,
    read_network_settings,
    resnet_key,
    resnet_values,
    write_radiograph_release,
)
from medvlp.models.importers.records import Origin
from medvlp.models.importers.source import open_source
from medvlp.models.radiograph.released_settings import MedklipSettings

if TYPE_CHECKING:
    from medvlp.models.importers.records import ImportReport, ImportRequest

__all__ = ["OBSERVATIONS", "import_medklip"]

OBSERVATIONS: Final = tuple(
    """
    normal clear sharp sharply unremarkable intact stable free effusion opacity pneumothorax edema
    atelectasis tube consolidation process abnormality enlarge tip low pneumonia line congestion
    catheter cardiomegaly fracture air tortuous lead disease calcification prominence device
    engorgement picc clip elevation expand nodule wire fluid degenerative pacemaker thicken marking
    scar hyperinflate blunt loss widen collapse density emphysema aerate mass crowd infiltrate
    obscure deformity hernia drainage distention shift stent pressure lesion finding borderline
    hardware dilation chf redistribution aspiration
    """.split()
)
"""Observations of RadGraph that MedKLIP and MAVL were trained with, without two that gather the
others."""

_IMAGE = "res_features."
_MAX_TOKENS = 128
_ORIGIN = Origin(
    name="medklip",
    data="MIMIC-CXR radiographs with triplets of RadGraph (MedKLIP)",
    license="not stated: the authors' repository has no licence",
    notes=(
        "Probabilities are not calibrated, as the authors say; they rank.",
        "Training turned images over, left to right, while reports name sides: do not ask for "
        "sides.",
        "Findings that are asked for together see one another: the answer to one depends a little "
        "on the others.",
    ),
)


def import_medklip(request: ImportRequest) -> ImportReport:
    """Convert a checkpoint of MedKLIP into a bundle, with the text encoder that the user names.

    Raises:
        ModelError: MV2100 to MV2106 and MV2116 for what the file lacks or has otherwise, MV2108 and
            MV2118 for its text encoder, MV1405 for weights that are not numbers.
    """
    weights = open_source(request.source).weights(("checkpoint_final.pth",))
    tensors, where = read_checkpoint(weights), str(weights)
    values = {
        "image": resnet_values(tensors, _IMAGE, where),
        "decoder": {**decoder_values(tensors, "decoder.", where), "head": "binary"},
    }
    text = read_text_model(request, _MAX_TOKENS)
    release = RadiographRelease(
        settings=read_network_settings(values, MedklipSettings, text, where),
        tensors=tensors,
        theirs=lambda name: resnet_key(name, _IMAGE),
        text=text,
        weights=weights,
        findings_seen=OBSERVATIONS,
    )
    return write_radiograph_release(request, _ORIGIN, release)
