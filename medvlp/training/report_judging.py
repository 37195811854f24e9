"""Judging of written reports by the attributes that they state, read by rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medvlp.distributed import gather_objects
from medvlp.errors import DataError
from medvlp.metrics.report_attributes import score_attributes
from medvlp.metrics.samples import UndefinedMetricError
from medvlp.text.reports.cleaning import check_report
from medvlp.text.reports.extraction import WHOLE, RulesExtractor
from medvlp.text.reports.schema import load_schema
from medvlp.text.reports.sides import SIDES, find_side_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ReportJudge"]

_DENIALS = ("none", "absent", "normal")  # the last that an attribute has is its denial


class ReportJudge:
    """Collects written reports beside their references, and scores them.

    Args:
        schema: Name of a built-in schema, or path of a YAML file.
        most: Largest number of reports; further ones are not wanted.

    Raises:
        ConfigError: If there is no such schema (MV2305), or it cannot be read.
    """

    def __init__(self, schema: str, most: int) -> None:
        read = load_schema(Path(schema) if schema.endswith((".yaml", ".yml")) else schema)
        self._schema = read
        self._of_sides = RulesExtractor(read)
        self._of_whole = RulesExtractor(read.model_copy(update={"organ": None}))
        self._negatives = {
            name: attribute.class_names.index(word)
            for name, attribute in read.attributes.items()
            for word in _DENIALS
            if word in attribute.class_names
        }
        self._left = self._most = most
        self._pairs: list[tuple[dict[str, int], dict[str, int]]] = []
        self._unread = 0

    def wanted(self, offered: int) -> int:
        """Return how many of the reports that could be written next are wanted, and count them.

        Args:
            offered: How many could be written, over all ranks.
        """
        wanted = min(offered, self._left)
        self._left -= wanted
        return wanted

    def add(self, texts: Sequence[str], references: Sequence[str], sides: Sequence[str]) -> None:
        """Take written reports, the reports that they should be, and their sides.

        What cannot be read as a report of this side states nothing.
        """
        for text, reference, side in zip(texts, references, sides, strict=True):
            found = self._stated(text, side)
            self._unread += found is None
            self._pairs.append((found or {}, self._stated(reference, side) or {}))

    def finish(self) -> dict[str, float]:
        """Return the scores of what all ranks have taken, and forget it; empty where nothing was.

        ``attribute_f1`` counts all that is stated, ``finding_f1`` leaves out what is absent,
        none or normal, and ``unreadable`` is the share of reports that are no English text or of
        the other side.
        """
        found = gather_objects((self._pairs, self._unread))
        self._pairs, self._unread, self._left = [], 0, self._most
        pairs = [pair for of_rank, _ in found for pair in of_rank]
        unread = sum(of_rank for _, of_rank in found)
        if not pairs:
            return {}
        scores = {"unreadable": unread / len(pairs)}
        ours, truth = zip(*pairs, strict=True)
        for name, negatives in (("attribute", None), ("finding", self._negatives)):
            try:
                score = score_attributes(ours, truth, negatives=negatives)
            except UndefinedMetricError:
                continue
            scores |= {f"{name}_f1": score.f1, f"{name}_macro_f1": score.macro_f1}
        return scores

    def _stated(self, text: str, side: str) -> dict[str, int] | None:
        """Return what a report of one side states; one that names no side is taken to mean it."""
        try:
            check_report(text)
        except DataError:
            return None
        parts = find_side_parts(text)
        named = [each for each in SIDES if parts.of(each)]
        if named and side not in named:
            return None
        answers = (
            self._of_sides.extract(text)[side] if named else self._of_whole.extract(text)[WHOLE]
        )
        return {n: self._schema.class_index(n, answer.value) for n, answer in answers.items()}
