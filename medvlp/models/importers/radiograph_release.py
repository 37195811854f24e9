"""What importers of networks for radiographs share: sizes, towers, the bundle itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import torch

from medvlp.config.strict import StrictModel
from medvlp.errors import ModelError
from medvlp.models.importers.records import ImportReport, make_provenance
from medvlp.models.importers.release_shapes import (
    count_numbered,
    parse_settings,
    require,
    size_of,
    take_tensors,
)
from medvlp.models.radiograph.build import build_finding_network
from medvlp.models.radiograph.bundle_schema import network_preprocessing
from medvlp.models.radiograph.bundle_writing import RadiographBundleCard, save_radiograph_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from medvlp.models.importers.bert_release import ReleasedBert
    from medvlp.models.importers.records import ImportRequest, Origin
    from medvlp.models.radiograph.released_settings import ReleasedSettings

__all__ = [
    "RESNET_PARTS",
    "SMALL_INPUT_PX",
    "RadiographRelease",
    "check_input_px",
    "decoder_values",
    "drop_copies",
    "read_network_settings",
    "resnet_key",
    "resnet_values",
    "write_radiograph_release",
]

_SettingsT = TypeVar("_SettingsT", bound=StrictModel)
_NETWORK = "image_tower.network."
RESNET_PARTS: Final = {
    "conv1.": "0.",
    "bn1.": "1.",
    "layer1.": "4.",
    "layer2.": "5.",
    "layer3.": "6.",
    "layer4.": "7.",
}
"""Parts of a residual network by our names -> their places where a release numbers them."""
_STAGES = ("4.", "5.", "6.", "7.")
_HEADS = 4
SMALL_INPUT_PX: Final = 224
"""Side of the images with which networks are trained that are cut behind their third stage."""


@dataclass(frozen=True, kw_only=True)
class RadiographRelease:
    """A released network for radiographs, in our terms.

    Attributes:
        settings: The parts of the network.
        tensors: Its tensors by the name they have in the release, without those of its text tower.
        theirs: What the release calls a tensor of ours outside the text tower.
        text: Its text tower.
        weights: The file of weights, for messages.
        made: Our tensors that no release holds.
        findings_seen: Names of the findings that it was trained with.
        notes: What a user must know of this file, in sentences.
    """

    settings: ReleasedSettings
    tensors: Mapping[str, torch.Tensor]
    theirs: Callable[[str], str]
    text: ReleasedBert
    weights: Path
    made: Mapping[str, torch.Tensor] = field(default_factory=dict)
    findings_seen: tuple[str, ...] = ()
    notes: Sequence[str] = ()


def resnet_values(tensors: Mapping[str, torch.Tensor], prefix: str, source: str) -> dict[str, Any]:
    """Return the settings of a residual network whose parts are numbered as torchvision's.

    Args:
        tensors: Tensors by the name they have in the release.
        prefix: What stands before the numbers.
        source: The file, for messages.

    Raises:
        ModelError: If there is no such network (MV2105), or it is of another depth (MV2101).
    """
    first = require(tensors, f"{prefix}4.0.conv1.weight", source)
    blocks = tuple(n for n in (count_numbered(tensors, prefix + s) for s in _STAGES) if n)
    is_deep = f"{prefix}4.0.conv3.weight" in tensors
    wanted = (3, 4, 6, 3) if is_deep else (2, 2, 2, 2)
    if len(blocks) < 3 or blocks != wanted[: len(blocks)]:
        raise ModelError(
            "MV2101",
            f"{source}: the image network has stages of {blocks} blocks",
            expected=f"{wanted}, the last left out or not",
        )
    architecture = "resnet50" if is_deep else "resnet18"
    return {"architecture": architecture, "stage": len(blocks), "width": size_of(first)}


def resnet_key(name: str, prefix: str) -> str:
    """Return what a release calls a tensor whose image network is numbered; others keep theirs.

    Args:
        name: Our name.
        prefix: What stands before the numbers.
    """
    if not name.startswith(_NETWORK):
        return name
    part, _, rest = name.removeprefix(_NETWORK).partition(".")
    return f"{prefix}{RESNET_PARTS[f'{part}.']}{rest}"


def check_input_px(stage: int, input_px: int, source: str) -> int:
    """Return the side of the input if the image network was trained with it.

    Args:
        stage: The last stage of the residual network.
        input_px: The side that is stated.
        source: Where it is stated, for the message.

    Raises:
        ModelError: If it belongs to another cut of the network (MV2117).
    """
    if (stage == 3) != (input_px == SMALL_INPUT_PX):
        raise ModelError(
            "MV2117",
            f"{source}: images of {input_px} px do not go with a network cut behind stage {stage}",
            expected=f"{SMALL_INPUT_PX} with stage 3, more with stage 4",
            hint="take settings and weights from one release",
        )
    return input_px


def decoder_values(tensors: Mapping[str, torch.Tensor], prefix: str, source: str) -> dict[str, Any]:
    """Return the sizes of a query decoder; heads are not seen in shapes and are the published 4.

    Args:
        tensors: Tensors by the name they have in the release.
        prefix: What stands before ``layers.0``.
        source: The file, for messages.

    Raises:
        ModelError: If there is no decoder (MV2105).
    """
    inner = require(tensors, f"{prefix}layers.0.linear1.weight", source)
    return {
        "dim": size_of(inner, 1),
        "ffn": size_of(inner),
        "layers": count_numbered(tensors, f"{prefix}layers."),
        "heads": _HEADS,
    }


def read_network_settings(
    values: Mapping[str, Any], model: type[_SettingsT], text: ReleasedBert, source: str
) -> _SettingsT:
    """Return the settings of a network from what its release shows.

    Args:
        values: ``image``, ``decoder`` and what else is of this network.
        model: The kind of network.
        text: Its text tower.
        source: The file, for messages.

    Raises:
        ModelError: If they are not possible (MV2101).
    """
    settings = {**values, "text": text.settings.model_dump(mode="json")}
    return parse_settings(settings, model, source)


def drop_copies(
    tensors: Mapping[str, torch.Tensor], copies: Mapping[str, str], source: str
) -> dict[str, torch.Tensor]:
    """Leave out parts that a release holds a second time under another name.

    Args:
        tensors: Tensors by the name they have in the release.
        copies: Start of a name to be left out -> start of the name that is kept.
        source: The file, for messages.

    Raises:
        ModelError: If a copy is another tensor than the one that is kept (MV2119).
    """
    kept = {}
    for name, tensor in tensors.items():
        start = next((start for start in copies if name.startswith(start)), None)
        if start is None:
            kept[name] = tensor
            continue
        other = tensors.get(copies[start] + name.removeprefix(start))
        if other is not None and not torch.equal(tensor, other):
            raise ModelError(
                "MV2119",
                f"{source}: {name!r} and {copies[start] + name.removeprefix(start)!r} differ",
                expected="one weight under two names",
            )
    return kept


def write_radiograph_release(
    request: ImportRequest, origin: Origin, release: RadiographRelease
) -> ImportReport:
    """Write the bundle of a release.

    Args:
        request: What the user asked for.
        origin: What is known of the kind.
        release: What was read.

    Raises:
        ModelError: If names (MV2105) or shapes (MV2106) of weights are not those of the network, or
            a weight is NaN or infinite (MV1405).
    """
    tokenizer = release.text.tokenizer
    with torch.device("meta"):
        network = build_finding_network(release.settings, tokenizer.vocab_size)
    shapes = {
        name: tuple(tensor.shape)
        for name, tensor in network.state_dict().items()
        if name not in release.made
    }
    in_text = {name for name in shapes if name.startswith("text_tower.")}
    outside = {name: shape for name, shape in shapes.items() if name not in in_text}
    state = take_tensors(release.tensors, outside, release.theirs, str(release.weights))
    state |= release.text.take({name: shapes[name] for name in in_text})
    network.load_state_dict({**state, **release.made}, strict=True, assign=True)
    files = [release.weights, *release.text.files]
    card = RadiographBundleCard(
        name=request.name or origin.name,
        preprocessing=network_preprocessing(release.settings),
        provenance=make_provenance(
            origin,
            files,
            libraries=("timm", "transformers"),
            notes=(*release.notes, *release.text.notes),
        ),
        license=request.license or origin.license,
        findings_seen=release.findings_seen,
    )
    meta = save_radiograph_bundle(request.out, network, tokenizer, card)
    return ImportReport(
        folder=request.out,
        meta=meta,
        num_weights=sum(tensor.numel() for tensor in network.state_dict().values()),
        notes=card.provenance.notes,
    )
