"""The batch that recipes for scans train on: crops of one side of a patient, and what is known.

Letters: B crops of this rank, A attributes, Z Y X crop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medvlp.data.batch import Embeddings, TensorRecord, TextTokens, check_column
from medvlp.errors import DataError
from medvlp.losses.relations import PairRelation

if TYPE_CHECKING:
    from medvlp.data.batch import TextInput

__all__ = ["ScanBatch"]


@dataclass(frozen=True, kw_only=True)
class ScanBatch(TensorRecord):
    """This rank's share of a global batch of crops.

    Attributes:
        volume: Hounsfield units at the model's input size, shape ``(B, Z, Y, X)``, float32, in the
            orientation of the folder's preprocessing; the model windows them.
        text: The report of this side, or None where the recipe takes no text.
        report_group: Number of the report's text, shape ``(B,)``, int64; crops whose reports say
            the same in the same words have equal numbers, whatever the order of the sentences.
        attributes: Class of each attribute, -1 where it is not stated, shape ``(B, A)``, int64;
            columns in the order of the folder's ``attributes``.
        malignant: 0 benign, 1 malignant, -1 not known, shape ``(B,)``, int64.
        months: Follow-up in months, NaN where not known, shape ``(B,)``, float32.
        event: 1 event, 0 censored, -1 not known, shape ``(B,)``, int64.
        patient: Number of the patient in the folder, shape ``(B,)``, int64.
        sample_id: Name of each crop, B of them.
        side: ``left`` or ``right`` of each crop.
        phase: Contrast phase of each crop.

    Raises:
        DataError: If a field has another length (MV1755) or kind of numbers (MV1756) than stated.
    """

    volume: Tensor
    text: TextInput | None
    report_group: Tensor
    attributes: Tensor
    malignant: Tensor
    months: Tensor
    event: Tensor
    patient: Tensor
    sample_id: tuple[str, ...]
    side: tuple[str, ...]
    phase: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check lengths and kinds of numbers."""
        rows = len(self.sample_id)
        wanted = {
            "volume": (torch.float32, 4),
            "attributes": (torch.int64, 2),
            "months": (torch.float32, 1),
            **dict.fromkeys(("report_group", "malignant", "event", "patient"), (torch.int64, 1)),
        }
        for name, (dtype, axes) in wanted.items():
            check_column(name, getattr(self, name), rows, dtype, axes)
        texts = rows if self.text is None else self.text.num_rows
        if not texts == len(self.side) == len(self.phase) == rows:
            raise DataError(
                "MV1755",
                f"the batch has {rows} names, {texts} texts, {len(self.side)} sides and "
                f"{len(self.phase)} phases",
                expected="one of each for every crop",
            )

    def __len__(self) -> int:
        """Return the number of crops B on this rank."""
        return len(self.sample_id)

    @property
    def tokens(self) -> TextTokens:
        """Tokenised reports.

        Raises:
            TypeError: If there are none.
        """
        if not isinstance(self.text, TextTokens):
            msg = f"the batch holds {type(self.text).__name__}, not tokens"
            raise TypeError(msg)
        return self.text

    @property
    def text_features(self) -> Tensor:
        """Embeddings of the reports, shape ``(B, D)``, float32.

        Raises:
            TypeError: If there are none.
        """
        if not isinstance(self.text, Embeddings):
            msg = f"the batch holds {type(self.text).__name__}, not embeddings"
            raise TypeError(msg)
        return self.text.vectors

    def relation(self, *, identical_reports: bool = True) -> PairRelation:
        """Return which crops and reports belong together, as the losses take it.

        Args:
            identical_reports: Whether crops with the same report are positives of each other's
                text; else each crop's own report is its only positive.
        """
        return PairRelation(group=self.report_group if identical_reports else None)
