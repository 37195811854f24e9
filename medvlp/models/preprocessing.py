"""Read from an upstream model's own settings how it wants its pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch

from medvlp.errors import ModelError
from medvlp.types import ImagePreprocessing

if TYPE_CHECKING:
    from medvlp.types import Interpolation

__all__ = ["from_open_clip", "from_timm", "normalize_pixels"]

_INTERPOLATIONS = ("bicubic", "bilinear")


def from_timm(config: Mapping[str, Any], source: str) -> ImagePreprocessing:
    """Translate timm's resolved data configuration of a model.

    timm's evaluation transform resizes the shorter side to ``floor(input / crop_pct)`` and crops
    the centre.

    Args:
        config: What ``timm.data.resolve_model_data_config`` returns.
        source: Name of the model, for messages.

    Raises:
        ModelError: If the model wants its pixels in a way that is not supported (MV1411).
    """
    channels, height, width = config["input_size"]
    if channels != 3:
        raise _unsupported(source, f"{channels} input channels", "3")
    input_px = _square_side((height, width), source)
    _check_choice("crop_mode", config.get("crop_mode", "center"), ("center",), source)
    return ImagePreprocessing(
        input_px=input_px,
        resize_px=math.floor(input_px / config["crop_pct"]),
        interpolation=_interpolation(config["interpolation"], source),
        mean=_three(config["mean"], "mean", source),
        std=_three(config["std"], "std", source),
    )


def from_open_clip(config: Mapping[str, Any], source: str) -> ImagePreprocessing:
    """Translate open_clip's preprocessing configuration of a model.

    open_clip's evaluation transform resizes the shorter side to the input size and crops the
    centre.

    Args:
        config: The model's ``visual.preprocess_cfg``.
        source: Name of the model, for messages.

    Raises:
        ModelError: If the model wants its pixels in a way that is not supported (MV1411).
    """
    _check_choice("resize_mode", config.get("resize_mode", "shortest"), ("shortest",), source)
    size = config["size"]
    input_px = size if isinstance(size, int) else _square_side(tuple(size), source)
    return ImagePreprocessing(
        input_px=input_px,
        resize_px=input_px,
        interpolation=_interpolation(config["interpolation"], source),
        mean=_three(config["mean"], "mean", source),
        std=_three(config["std"], "std", source),
    )


def normalize_pixels(rgb: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """Scale pixels to [0, 1], subtract the mean, divide by the standard deviation.

    Args:
        rgb: Pixels, shape ``(B, H, W, 3)``, uint8, on any device.
        mean: Per-channel mean, shape ``(3,)``, float32, same device.
        std: Per-channel standard deviation, shape ``(3,)``, float32, same device.

    Returns:
        Shape ``(B, 3, H, W)``, float32, channels last in memory.

    Raises:
        ValueError: If ``rgb`` has another type or shape.
    """
    if rgb.dtype != torch.uint8 or rgb.ndim != 4 or rgb.shape[-1] != 3:
        msg = f"rgb must be uint8 of shape (B, H, W, 3), got {rgb.dtype} {tuple(rgb.shape)}"
        raise ValueError(msg)
    return ((rgb.float() / 255.0 - mean) / std).permute(0, 3, 1, 2)


def _unsupported(source: str, found: str, expected: str) -> ModelError:
    return ModelError(
        "MV1411",
        f"model {source!r} wants its pixels prepared with {found}, which is not supported",
        expected=expected,
        hint="choose another model",
    )


def _check_choice(what: str, value: str, valid: tuple[str, ...], source: str) -> None:
    if value not in valid:
        raise _unsupported(source, f"{what}={value!r}", f"{what} {' or '.join(valid)}")


def _interpolation(value: str, source: str) -> Interpolation:
    _check_choice("interpolation", value, _INTERPOLATIONS, source)
    return cast("Interpolation", value)


def _square_side(size_px: tuple[int, ...], source: str) -> int:
    if len(set(size_px)) != 1:
        raise _unsupported(source, f"input size {size_px}", "a square input")
    return size_px[0]


def _three(values: Sequence[float] | float, what: str, source: str) -> tuple[float, float, float]:
    numbers = (values,) * 3 if isinstance(values, float | int) else tuple(map(float, values))
    if len(numbers) != 3:
        raise _unsupported(source, f"{what}={values}", f"three numbers for {what}")
    return numbers
