"""How a release wants its pixels, checked value by value."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from medvlp.config.strict import StrictModel, parse_model
from medvlp.errors import ConfigError, ModelError
from medvlp.models.bundle_schema import PreprocessingRecord
from medvlp.models.preprocessing import from_open_clip

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medvlp.types import ImagePreprocessing

__all__ = ["read_pixels"]

Side = Annotated[int, Field(ge=1, le=16384)]


class _Pixels(StrictModel):
    """Settings of open_clip's image transform, without those that do not change it."""

    size: Side | tuple[Side, Side]
    interpolation: str
    mean: float | tuple[float, float, float]
    std: float | tuple[float, float, float]
    resize_mode: str = "shortest"


def read_pixels(config: Mapping[str, Any], source: str) -> ImagePreprocessing:
    """Translate settings by the names that open_clip gives them.

    Args:
        config: ``size``, ``interpolation``, ``mean``, ``std``, ``resize_mode``; others are ignored.
        source: The file, for messages.

    Raises:
        ModelError: If a value is not valid (MV2101) or not supported (MV1411).
    """
    values = {name: config[name] for name in _Pixels.model_fields if name in config}
    try:
        pixels = parse_model(values, _Pixels, source=source)
        found = from_open_clip(pixels.model_dump(), source)
        parse_model(asdict(found), PreprocessingRecord, source=source)
    except ConfigError as error:
        raise ModelError("MV2101", error.what, expected=error.expected) from error
    return found
