"""Which picture of a file is meant."""

from __future__ import annotations

from medvlp.errors import RadiographError

__all__ = ["chosen_frame"]


def chosen_frame(name: str, count: int, frame: int | None) -> int:
    """Return the index of the frame that is meant; a film is never read without a choice.

    Args:
        name: The file, for the message.
        count: Frames that it holds.
        frame: What the caller chose, or None.

    Raises:
        RadiographError: MV2406 if there are several and none was chosen, or none of that number.
    """
    count = max(count, 1)
    if frame is None and count > 1:
        raise RadiographError(
            "MV2406",
            f"{name} holds {count} frames",
            expected="one picture, or the number of a frame",
        )
    if frame is not None and not 0 <= frame < count:
        raise RadiographError(
            "MV2406", f"{name} has no frame {frame}", expected=f"0 to {count - 1}"
        )
    return frame or 0
