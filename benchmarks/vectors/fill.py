"""The deterministic fill of network weights, and its own family of reference numbers.

Networks are compared without stored weights: both sides fill them by this rule.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.vectors.comparison import Arrays, FamilyCheck, Tolerance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["CHECKS", "fill_tensor", "fill_uniform"]

_ONE_ULP = Tolerance(rtol=2.3e-16, atol=1e-17)


def fill_uniform(count: int, salt: int) -> NDArray[np.float64]:
    """Return the first numbers u of a salt, in [-0.5, 0.5).

    Hashing of the flat index i modulo 2^32: ``x = i * 2654435761 + (salt + 1) * 2246822519``, then
    ``x ^= x >> 15; x *= 739982445; x ^= x >> 12; x *= 695872825; x ^= x >> 15``, and
    ``u = x / 2^32 - 0.5``.

    Args:
        count: How many numbers.
        salt: Position of the tensor in its table, or a number of its own.
    """
    mask = np.uint64(2**32 - 1)
    x = np.arange(count, dtype=np.uint64) * np.uint64(2654435761)
    x = (x + np.uint64((salt + 1) * 2246822519 % 2**32)) & mask
    for shift, factor in ((15, 739982445), (12, 695872825)):
        x ^= x >> np.uint64(shift)
        x = (x * np.uint64(factor)) & mask
    x ^= x >> np.uint64(15)
    return np.asarray(x.astype(np.float64) / 2**32 - 0.5)


def fill_tensor(shape: Sequence[int], rule: str, salt: int) -> NDArray[np.float64]:
    """Return the values of a tensor.

    Args:
        shape: Its shape; the flat index is row-major.
        rule: ``matrix`` (``u * 2 * sqrt(3 / fan_in)``), ``scale`` (``1 + 0.2 u``), ``bias``
            (``0.2 u``) or ``var`` (``1 + 0.5 u``). A tensor with rule ``keep`` is not filled.
        salt: Position of the tensor in its table.

    Raises:
        ValueError: If the rule is another.
    """
    u = fill_uniform(math.prod(shape), salt).reshape(shape)
    if rule == "matrix":
        return np.asarray(u * 2 * math.sqrt(3 / math.prod(shape[1:])))
    if rule == "scale":
        return 1 + 0.2 * u
    if rule == "bias":
        return 0.2 * u
    if rule == "var":
        return 1 + 0.5 * u
    raise ValueError(f"rule {rule!r} fills nothing; choose matrix, scale, bias or var")


def _answer_fill(arrays: Arrays) -> dict[str, NDArray[Any]]:
    answers = {
        name: fill_uniform(8, int(name.removeprefix("u_first8_salt")))
        for name in arrays
        if name.startswith("u_first8_salt")
    }
    for index in range(sum(name.startswith("shape_") for name in arrays)):
        shape = tuple(arrays[f"shape_{index}"].tolist())
        rule, salt = str(arrays[f"rule_{index}"]), int(arrays[f"salt_{index}"])
        answers[f"value_{index}"] = fill_tensor(shape, rule, salt)
    return answers


CHECKS = {
    "fill_check": FamilyCheck(_answer_fill, ("shape_*", "salt_*", "rule_*"), _ONE_ULP),
}
