"""Families about scans: the network of RenalCLIP, forward and backward."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.vectors.comparison import Arrays, FamilyCheck, Tolerance
from benchmarks.vectors.fill import fill_tensor, fill_uniform
from benchmarks.vectors.tensors import as_tensor
from medvlp.models.volume.build import build_volume_tower
from medvlp.models.volume.heads import build_volume_head
from medvlp.models.volume.settings import ResNet3dSettings, VolumeHeadSettings

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor

    from medvlp.models.volume.resnet3d import ResNet3d

__all__ = ["CHECKS"]

_HEAD = "global_embedding.head."


class _Network(nn.Module):
    """Network and head in float64, with given weights under the names of the reference."""

    def __init__(self, arrays: Arrays, weights: dict[str, Tensor], *, cut: bool = False) -> None:
        super().__init__()
        _, _, *shape = arrays["input_shape"].tolist()
        with torch.device("meta"):  # the weights are given, so none are drawn
            settings = ResNet3dSettings(cut_shortcut_gradient=cut)
            self.tower = cast("ResNet3d", build_volume_tower(settings, tuple(shape)))
            dim = len(weights[f"{_HEAD}bias"])
            self.head = build_volume_head(VolumeHeadSettings(dim=dim), self.tower.dim)
        state = {_own_name(key): value.clone() for key, value in weights.items()}
        self.load_state_dict(state, strict=True, assign=True)

    def embed(self, pooled: Tensor) -> Tensor:
        return functional.normalize(self.head(pooled), dim=-1)


def _own_name(key: str) -> str:
    return f"head.{key.removeprefix(_HEAD)}" if key.startswith(_HEAD) else f"tower.{key}"


def _weights(arrays: Arrays) -> dict[str, Tensor]:
    """Fill the table of the file; counters start at 0."""
    table = json.loads(str(arrays["fill_table"]))
    return {
        key: torch.zeros(shape, dtype=torch.int64)
        if rule == "keep"
        else as_tensor(fill_tensor(shape, rule, salt))
        for salt, (key, shape, rule) in enumerate(table)
    }


def _input(arrays: Arrays) -> Tensor:
    shape = tuple(arrays["input_shape"].tolist())
    count = int(np.prod(shape))
    return as_tensor(2 * fill_uniform(count, int(arrays["input_salt"])).reshape(shape))


def _answer_network(arrays: Arrays) -> dict[str, ArrayLike]:
    weights, voxels = _weights(arrays), _input(arrays)
    network = _Network(arrays, weights).eval()
    flat = voxels.flatten().numpy()
    answers: dict[str, ArrayLike] = {
        "input_first16": flat[:16],
        "input_sums": [flat.sum(), (flat**2).sum()],
        "parameter_count": sum(weight.numel() for weight in network.parameters()),
    }
    with torch.no_grad():
        answers |= _answer_forward(network, voxels)
    if "train__loss" in arrays:
        answers |= _answer_training(arrays, weights, voxels)
    return answers


def _answer_forward(network: _Network, voxels: Tensor) -> dict[str, ArrayLike]:
    tower = network.tower
    stages = [tower.stem(voxels)]
    for stage in (tower.layer1, tower.layer2, tower.layer3, tower.layer4):
        stages.append(stage(stages[-1]))
    features, pooled = tower.feature_map(voxels), tower(voxels)
    return {
        "eval__stage_stats": [
            [x.mean().item(), x.square().mean().sqrt().item(), *x.shape[1:]] for x in stages
        ],
        "eval__feature_map_shape": features.shape,
        "eval__feature_map_stats": [
            value.item()
            for value in (features.mean(), features.std(), features.min(), features.max())
        ],
        "eval__pooled": pooled.numpy(),
        "eval__projection_norm": network.head(pooled).norm(dim=-1).numpy(),
        "eval__embedding": network.embed(pooled).numpy(),
    }


def _answer_training(
    arrays: Arrays, weights: dict[str, Tensor], voxels: Tensor
) -> dict[str, ArrayLike]:
    answers: dict[str, ArrayLike] = {}
    for name, cut in (("", True), ("_shortcut_not_detached", False)):
        network = _Network(arrays, weights, cut=cut).train()
        pooled = network.tower(voxels)
        embedding = network.embed(pooled)
        u = fill_uniform(embedding.numel(), int(arrays["train__weight_salt"]))
        loss = (embedding * as_tensor(u).reshape(embedding.shape)).sum()
        loss.backward()
        norms = {
            key: torch.zeros(()) if weight.grad is None else weight.grad.norm()
            for key, weight in network.named_parameters()
        }
        answers[f"train__grad_norms{name}"] = [
            norms[_own_name(str(key))].item() for key in arrays["train__param_names"]
        ]
        statistics = network.tower.bn1.state_dict()
        answers |= {
            "train__loss": loss.item(),
            "train__pooled": pooled.detach().numpy(),
            "train__bn1_running_mean": statistics["running_mean"].numpy(),
            "train__bn1_running_var": statistics["running_var"].numpy(),
        }
    return answers


CHECKS = {
    "renalclip_resnet3d": FamilyCheck(
        _answer_network,
        (
            "input_shape",
            "input_salt",
            "fill_table",
            "train__weight_salt",
            "train__param_names",
        ),
        tolerances={"train__grad*": Tolerance(rtol=1e-6, atol=1e-10)},
    ),
}
