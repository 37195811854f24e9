"""How a probe is fitted and judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from medvlp.probing.label_table import SITE_COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.probing.label_table import LabelTable

__all__ = ["CoxKind", "ProbeSettings", "site_columns", "split_column"]

CoxKind = Literal["linear", "mlp"]


@dataclass(frozen=True, kw_only=True)
class ProbeSettings:
    """Settings of a probe."""

    group: str | None = None
    """Column of patients; None takes ``patient_id``, ``patient`` or ``group``."""
    split: str | None = None
    """Column of train and test; None takes ``split`` where it is there, else folds."""
    by: tuple[str, ...] | None = None
    """Columns to give figures apart by; None takes ``site`` and ``scanner`` if there."""
    folds: int = 5
    """Folds where there is no split."""
    seed: int = 0
    """Seed of folds, weights and draws."""
    draws: int = 1000
    """Bootstrap draws."""
    balanced: bool = False
    """Whether each class weighs the same in the fit."""
    positive: str | None = None
    """Positive one of two classes; None takes the last in order."""
    head: CoxKind = "linear"
    """Head for survival."""
    horizons: tuple[float, ...] = (12.0, 24.0, 36.0, 60.0)
    """Months at which survival is judged; those beyond the follow-up are left out."""
    radiomics: Path | None = None
    """Table of radiomics to compare and to fuse with."""
    allow_selection_on_test: bool = False
    """Judge cases that the encoder was chosen on; the record says so."""


def split_column(table: LabelTable, name: str | None) -> str | None:
    """Return the column of the split.

    Args:
        table: The labels.
        name: What the user asked for.

    Raises:
        DataError: MV2320 if it is not there.
    """
    if name is None:
        return "split" if "split" in table.columns else None
    table.require(name)
    return name


def site_columns(table: LabelTable, names: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the columns that figures are given apart by.

    Args:
        table: The labels.
        names: What the user asked for.

    Raises:
        DataError: MV2320 if one is not there.
    """
    if names is None:
        return tuple(name for name in SITE_COLUMNS if name in table.columns)
    table.require(*names)
    return names
