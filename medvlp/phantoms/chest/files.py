"""Write a phantom X-ray as a PNG picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from medvlp.errors import PhantomError
from medvlp.io import publish_file
from medvlp.phantoms.chest.exposure import BITS

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.phantoms.chest.picture import ChestPhantom

__all__ = ["write_phantom_png"]


def write_phantom_png(path: Path, phantom: ChestPhantom, *, bits: Literal[8, 16] = 8) -> None:
    """Write the pixels as a grey PNG.

    Args:
        path: Where to.
        phantom: The picture.
        bits: 8: the upper eight bits of twelve; 16: sixteen times the values.

    Raises:
        PhantomError: MV1908 for another number of bits.
    """
    if bits not in {8, 16}:
        raise PhantomError("MV1908", f"a PNG of {bits} bits cannot be made", expected="8 or 16")
    if bits == 8:
        image = Image.fromarray((phantom.pixels >> (BITS - 8)).astype(np.uint8))
    else:
        image = Image.fromarray(phantom.pixels << (16 - BITS))
    with publish_file(path) as temporary:
        image.save(temporary, format="PNG")
