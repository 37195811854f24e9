"""Settings of a network for radiographs and of its data that must go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.errors import UsageError

if TYPE_CHECKING:
    from medvlp.models.radiograph.settings import RadiographModelSettings

__all__ = ["check_input"]


def check_input(input_px: int, settings: RadiographModelSettings) -> None:
    """Refuse pictures of another size than the network takes.

    Args:
        input_px: Side of the pictures of a batch.
        settings: The network.

    Raises:
        UsageError: MV1834.
    """
    if input_px != settings.input_px:
        raise UsageError(
            "MV1834",
            f"the pictures of data.folder come with {input_px} pixels a side, and the network "
            f"takes {settings.input_px}",
            expected=f"data.input_px={settings.input_px}, or another network",
        )
