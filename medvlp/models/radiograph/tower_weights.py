"""Weights of an image network of other channels or another size, made to fit.

Letters: D width, C channels, h w sides of a kernel, P places before the patches, T patches.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from timm.layers.pos_embed import resample_abs_pos_embed

from medvlp.models.weights import load_weights_into

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from medvlp.models.radiograph.image_tower import RadiographTower

__all__ = ["fit_kernel", "take_image_weights"]


def fit_kernel(kernel: Tensor, channels: int) -> Tensor:
    """Make a first kernel one for grey images, or one for three equal channels.

    The colours are added up, not averaged: a grey image then gives what it gave with its values in
    all colours. One channel is spread over three for the same reason.

    Args:
        kernel: Shape ``(D, C, h, w)``, float.
        channels: The channels wanted.

    Returns:
        Shape ``(D, channels, h, w)``.
    """
    if kernel.shape[1] == channels:
        return kernel
    grey = kernel.sum(1, keepdim=True)
    return (grey / channels).expand(-1, channels, -1, -1).contiguous()


def take_image_weights(tower: RadiographTower, weights: Mapping[str, Tensor], where: str) -> None:
    """Give an image tower weights of timm's network of the same name.

    Classifier and stages that the tower has not are left out; the first kernel is fitted to its
    channels and the table of positions interpolated to its grid (bicubic). All else must agree.

    Args:
        tower: The tower; changed in place.
        weights: Tensors under timm's names, without a prefix.
        where: Where they come from, for messages.

    Raises:
        ModelError: If names or shapes differ (MV1409).
    """
    network: Any = tower.network
    own = network.state_dict()
    config = network.pretrained_cfg
    fitted = {name: value for name, value in weights.items() if not _is_cut(name, own, config)}
    first = f"{config.get('first_conv', '')}.weight"
    if first in fitted and first in own and fitted[first].ndim == 4:
        fitted[first] = fit_kernel(fitted[first], own[first].shape[1])
    if "pos_embed" in fitted and "pos_embed" in own:
        fitted["pos_embed"] = _fit_positions(fitted["pos_embed"], tower)
    load_weights_into(network, fitted, where)


def _fit_positions(table: Tensor, tower: RadiographTower) -> Tensor:
    """Interpolate positions ``(1, P + T, D)`` of a square grid to the tower's grid."""
    network: Any = tower.network
    prefix = 0 if getattr(network, "no_embed_class", False) else network.num_prefix_tokens
    num_places = table.shape[1] - prefix if table.ndim == 3 else -1
    is_square = num_places > 0 and math.isqrt(num_places) ** 2 == num_places
    if not is_square or table.shape == network.pos_embed.shape:
        return table
    grid = list(network.patch_embed.grid_size)
    resampled: Tensor = resample_abs_pos_embed(table, new_size=grid, num_prefix_tokens=prefix)
    return resampled


def _is_cut(name: str, own: Mapping[str, Tensor], config: Mapping[str, Any]) -> bool:
    """Tell weights of a classifier, or of a stage that was cut off."""
    classifiers = config.get("classifier") or ()
    names = (classifiers,) if isinstance(classifiers, str) else tuple(classifiers)
    if name.startswith(tuple(f"{prefix}." for prefix in names)):
        return True
    is_cut = not any(key.startswith("layer4.") for key in own)
    return is_cut and name.startswith("layer4.")
