"""What was chosen on which cases: a checkpoint, a threshold, a temperature, a penalty.

A figure on the cases that something was chosen on says nothing about new ones. So each choice
leaves a record: in the description of a model, in a calibration file and in ``run.json``; what
judges predictions compares its cases with it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from medvlp.config.strict import StrictModel, matching, rule_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "TEST_SPLITS",
    "Chosen",
    "SelectionRecord",
    "case_id_sha256",
    "chosen_on",
    "is_test_split",
]

Chosen = Literal["checkpoint", "threshold", "temperature", "penalty", "steps"]
"""What can be chosen on cases."""

TEST_SPLITS = ("test", "testing")
"""Words for the part of the data that figures are reported on."""

_LEAST_DIGITS = 8
Count = Annotated[int, Field(ge=0)]
ContentHash = Annotated[
    str, matching(rf"[0-9a-f]{{{_LEAST_DIGITS},64}}", "8 to 64 hexadecimal digits")
]
Sha256 = Annotated[str, matching(r"[0-9a-f]{64}", "a sha256")]


class SelectionRecord(StrictModel):
    """One choice, and the cases that it was made on.

    Attributes:
        chosen: What was chosen.
        rule: How, in words.
        metric: What was compared; empty where nothing was chosen.
        mode: Whether the largest or the smallest value won; None where nothing was chosen.
        value: Its value where the choice fell; None where there is no single one.
        step: Optimiser step of the chosen weights; None for other choices.
        split: Name of the part or set of the data; empty where nothing was chosen.
        data_sha256: Hash of the table of labels, or of the manifest, that the part is of.
        number: How many cases.
        num_groups: How many groups, such as patients, they belong to; 0 where that is not known.
        content_sha256: Hash of the content of each case, or the leading digits that are known of
            it, sorted; empty where contents are not known.
        case_id_sha256: Hash of the name of each case, sorted; names themselves stay at home.
        on_test: Whether the choice was made on the test set, which a user has allowed.
    """

    chosen: Chosen
    rule: str
    metric: str = ""
    mode: Literal["max", "min"] | None = None
    value: float | None = None
    step: Count | None = None
    split: str = ""
    data_sha256: str = ""
    number: Count = 0
    num_groups: Count = 0
    content_sha256: tuple[ContentHash, ...] = ()
    case_id_sha256: tuple[Sha256, ...] = ()
    on_test: bool = False

    @model_validator(mode="after")
    def _check_together(self) -> SelectionRecord:
        if self.metric and not (self.split and self.mode):
            raise rule_error(
                "MV1002",
                f"{self.metric!r} was compared, and neither set nor direction may be missing",
                expected="split and mode",
                at="metric",
            )
        if self.on_test and not self.metric:
            raise rule_error("MV1002", "nothing was chosen", expected="false", at="on_test")
        return self

    @property
    def is_choice(self) -> bool:
        """Whether anything was compared; false for the last step of a training."""
        return bool(self.metric)

    def summary(self) -> str:
        """Return the record as one sentence without a full stop."""
        if not self.is_choice:
            return f"{self.chosen}: {self.rule}"
        told = "" if self.value is None else f" {self.value:.4g}"
        cases = f"{self.number} cases of {self.split}"
        return f"{self.chosen}: {self.rule} by {self.metric}{told} on {cases}"

    def told(self) -> dict[str, object]:
        """Return the record as plain values without the hashes of single cases."""
        return self.model_dump(mode="json", exclude={"content_sha256", "case_id_sha256"})


@dataclass(frozen=True)
class _Known:
    """Hashes to look cases up in, by number of digits."""

    by_length: Mapping[int, frozenset[str]]

    def holds(self, content_sha256: str) -> bool:
        return any(content_sha256[:n] in found for n, found in self.by_length.items())


def is_test_split(name: str) -> bool:
    """Tell whether a part of the data is the one that figures are reported on, by its name.

    Args:
        name: Name of the part.
    """
    return name.strip().casefold() in TEST_SPLITS


def case_id_sha256(case_id: str) -> str:
    """Return the hash that a record knows a case by whose content is not known.

    Args:
        case_id: Name of the case.
    """
    return hashlib.sha256(case_id.encode("utf-8", "surrogatepass")).hexdigest()


def chosen_on(
    record: SelectionRecord, cases: Iterable[tuple[str, str]], labels_sha256: str = ""
) -> list[str]:
    """Return which cases a choice was made on.

    Contents decide where both sides know them. Else a case is the same if its name is and the
    labels are of the same table: names such as ``1`` occur in many data sets.

    Args:
        record: The choice.
        cases: Name and hash of the content of each case; the hash is empty where it is not known.
        labels_sha256: Hash of the table that the cases are labelled by.

    Returns:
        Names of the cases, in the given order.
    """
    if not record.is_choice:
        return []
    lengths = {len(digest) for digest in record.content_sha256}
    known = _Known({n: frozenset(d for d in record.content_sha256 if len(d) == n) for n in lengths})
    names = frozenset(record.case_id_sha256)
    same_table = bool(labels_sha256) and labels_sha256 == record.data_sha256
    found = []
    for case_id, content in cases:
        if content and record.content_sha256:
            is_same = known.holds(content)
        else:
            is_same = same_table and (not names or case_id_sha256(case_id) in names)
        if is_same:
            found.append(case_id)
    return found
