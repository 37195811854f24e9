"""The batch that recipes for radiographs train on: pictures, reports, and what is known of them.

Letters: B pictures of this rank, C findings, S side of the picture, N texts, T tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medvlp.data.batch import TensorRecord, TextTokens, check_column
from medvlp.errors import DataError
from medvlp.losses.relations import PairRelation

if TYPE_CHECKING:
    from medvlp.data.batch import TextInput

__all__ = [
    "ABSENT",
    "NOT_MENTIONED",
    "PRESENT",
    "UNCERTAIN",
    "FacetTexts",
    "RadiographBatch",
]

PRESENT, ABSENT, UNCERTAIN, NOT_MENTIONED = 1, 0, -1, -2
"""Values of labels in a batch."""


@dataclass(frozen=True, kw_only=True)
class FacetTexts(TensorRecord):
    """What a book says of findings, as tokens: names, definitions and appearances.

    Attributes:
        tokens: The N texts.
        class_index: Which finding a text is about, shape ``(N,)``, int64, ascending from 0 to
            C - 1; every finding has one text at least.
        kind: What a text is, an index into ``medvlp.knowledge.facets.FACET_KINDS``, shape
            ``(N,)``, int64.
        names: Names of the C findings, in the order of the columns of a batch's labels.

    Raises:
        DataError: If a field has another length (MV1755) or kind of numbers (MV1756) than stated.
    """

    tokens: TextTokens
    class_index: Tensor
    kind: Tensor
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check lengths and kinds of numbers."""
        rows = self.tokens.num_rows
        check_column("class_index", self.class_index, rows, torch.int64, 1)
        check_column("kind", self.kind, rows, torch.int64, 1)
        found = sorted(set(self.class_index.tolist()))
        if found != list(range(len(self.names))):
            raise DataError(
                "MV1755",
                f"the texts are about {len(found)} of {len(self.names)} findings",
                expected="one text at least for each finding",
            )


@dataclass(frozen=True, kw_only=True)
class RadiographBatch(TensorRecord):
    """This rank's share of a global batch of radiographs.

    Attributes:
        image: Brightness as displayed, bright is dense, in [0, 1], shape ``(B, 1, S, S)``,
            float32; the model normalises it.
        text: The report as chosen this time, or None where the recipe takes no text.
        labels: 1 present, 0 absent, -1 uncertain, -2 not mentioned, shape ``(B, C)``, int64;
            columns in the order of the module's ``findings``.
        report_group: Number of the report's text, shape ``(B,)``, int64; pictures whose reports
            say the same in the same words have equal numbers; -1 without a report.
        patient_id: Number of the patient in the folder, shape ``(B,)``, int64.
        sample_id: Name of each picture, B of them.
        view: ``PA``, ``AP``, ``LATERAL``, or empty where it is not known.
        turned: Whether the picture was turned over, and the words of side with it, shape
            ``(B,)``, bool.

    Raises:
        DataError: If a field has another length (MV1755) or kind of numbers (MV1756) than stated.
    """

    image: Tensor
    text: TextInput | None
    labels: Tensor
    report_group: Tensor
    patient_id: Tensor
    sample_id: tuple[str, ...]
    view: tuple[str, ...]
    turned: Tensor

    def __post_init__(self) -> None:
        """Check lengths and kinds of numbers."""
        rows = len(self.sample_id)
        check_column("image", self.image, rows, torch.float32, 4)
        check_column("labels", self.labels, rows, torch.int64, 2)
        check_column("report_group", self.report_group, rows, torch.int64, 1)
        check_column("patient_id", self.patient_id, rows, torch.int64, 1)
        check_column("turned", self.turned, rows, torch.bool, 1)
        texts = rows if self.text is None else self.text.num_rows
        if not texts == len(self.view) == rows:
            raise DataError(
                "MV1755",
                f"the batch has {rows} names, {texts} texts and {len(self.view)} views",
                expected="one of each for every picture",
            )

    def __len__(self) -> int:
        """Return the number of pictures B on this rank."""
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

    def relation(self, *, identical_reports: bool = True) -> PairRelation:
        """Return which pictures and reports belong together, as the losses take it.

        Args:
            identical_reports: Whether pictures with the same report are positives of each other's
                text; else each picture's own report is its only positive.
        """
        return PairRelation(group=self.report_group if identical_reports else None)
