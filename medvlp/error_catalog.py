"""The catalogue behind ``medvlp explain CODE``: every code, what it means and what helps.

Ranges: 10xx usage and configuration, 11xx files and folders, 12xx slides, 13xx feature files,
14xx models and weights, 15xx tasks and zero-shot, 16xx jobs and workers, 17xx training, 18xx losses,
19xx phantoms.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CATALOG", "Explanation"]


@dataclass(frozen=True)
class Explanation:
    """The longer text behind a code.

    Attributes:
        title: One line, lower case, no full stop.
        meaning: What the program found, in plain words.
        remedy: What a user can do.
    """

    title: str
    meaning: str
    remedy: str


CATALOG: dict[str, Explanation] = {
    "MV1001": Explanation(
        "unknown key in a configuration file",
        "A key of the file is not one that this file can hold, often a spelling mistake. Keys that "
        "have no effect are refused, because a run would silently differ from what was meant.",
        "Correct the key; the message names the nearest valid one.",
    ),
    "MV1002": Explanation(
        "a value in a configuration file is not valid",
        "A value has the wrong type or is outside its range, or a required key is missing.",
        "Correct the value at the dotted path that the message names.",
    ),
    "MV1003": Explanation(
        "unknown name",
        "A component was chosen by a name that nothing is registered under.",
        "Use one of the names that the message lists.",
    ),
    "MV1850": Explanation(
        "arguments of a loss have shapes that do not fit",
        "The rows of all arguments of a loss belong to the same samples, and a matrix of scores has "
        "one column per pair of the joined batch; one argument has another shape.",
        "Compare the shapes that the message names; a wrong one often comes from a squeezed axis.",
    ),
    "MV1851": Explanation(
        "an empty batch",
        "No rank holds a row, so the loss is not defined.",
        "Check the sampler and the filters of the manifest. A single rank may be empty, all may not.",
    ),
    "MV1852": Explanation(
        "NaN or Inf before a loss",
        "An input of the loss is not finite on the ranks that the message names. The loss is refused "
        "on every rank, so that no rank waits for another.",
        "Look for a diverged learning rate, a missing clamp of the temperature, or a damaged sample.",
    ),
    "MV1853": Explanation(
        "labels or times out of range",
        "A label is beyond the number of classes, or an event, bin or time is not one that exists.",
        "Compare the label column of the manifest with the order of the classes in the configuration.",
    ),
    "MV1854": Explanation(
        "wrong kind of numbers",
        "Ids and labels must be integers, embeddings and logits floating point.",
        "Convert the column where the batch is built; do not round inside the loss.",
    ),
    "MV1855": Explanation(
        "a row without a positive",
        "A sample has nothing to be pulled towards, and the caller asked to refuse such rows.",
        "Give the sample a positive, or let such rows have weight zero (no_positive='skip').",
    ),
}
