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
    "MV1750": Explanation(
        "the ranks do not divide the batch",
        "Every rank takes an equal part of a full global batch, and the batch size is no "
        "multiple of the number of ranks.",
        "Choose one of the batch sizes that the message names, or another number of ranks.",
    ),
    "MV1751": Explanation(
        "groups or samples do not make a batch",
        "Groups were asked for without saying who belongs to which, or the other way round; or "
        "there are too few samples or groups to fill one batch.",
        "Pass one group per sample together with the group settings; make the batch smaller.",
    ),
    "MV1752": Explanation(
        "a sampler's state of another order",
        "The order of samples follows from the seed, the sampler's settings and the data. One "
        "of them differs from the run that the state comes from, so its place means nothing "
        "here.",
        "Restore what the message lists, or begin a new run. The number of ranks and workers "
        "may differ.",
    ),
    "MV1753": Explanation(
        "a sampler's state between no two batches",
        "A state stands after a whole number of global batches; this one does not, so it was "
        "altered.",
        "Take an older checkpoint.",
    ),
    "MV1755": Explanation(
        "parts of a batch of unequal length",
        "Images, texts, names and ids of a batch belong together row by row, and one has "
        "another length.",
        "Look at the collation: a sample was dropped from one part only.",
    ),
    "MV1756": Explanation(
        "wrong kind of numbers in a batch",
        "Ids are int64, weights float32, and the table of related labels holds one bit per pair.",
        "Convert the column where the batch is built; ids must never pass through floating point.",
    ),
    "MV1760": Explanation(
        "malformed lists of parents",
        "Lists of parents are given as one array of entries and where each list begins; these "
        "do not fit together.",
        "Build both arrays from the same graph.",
    ),
    "MV1761": Explanation(
        "a circle in the knowledge graph",
        "A concept is its own ancestor, so ancestor and descendant mean nothing.",
        "Remove the circle from the source of the graph; the message names concepts on it.",
    ),
    "MV1762": Explanation(
        "a concept outside the knowledge graph",
        "A sample of the batch has a concept number that the relation does not know.",
        "Build the relation and the numbers of the pairs from the same graph.",
    ),
    "MV1765": Explanation(
        "a group with two anchors",
        "A group's anchor, its name among its attributes, must be one sample.",
        "Mark one sample of the group as its anchor.",
    ),
    "MV1770": Explanation(
        "a manifest of pairs cannot be read",
        "The file is missing, cut short, or no Parquet file.",
        "Check the path, or write the pairs again.",
    ),
    "MV1771": Explanation(
        "a column of the manifest is missing",
        "Every column of the manifest must be there, even if it holds empty lists or texts.",
        "Add the column; the message names the nearest that was found.",
    ),
    "MV1772": Explanation(
        "a column of the manifest has the wrong type",
        "Ids of groups, offsets and sizes are integers; captions and concepts are lists of "
        "texts; the rest is text.",
        "Convert the column where the manifest is written.",
    ),
    "MV1773": Explanation(
        "a value that no pair can have",
        "A value is missing, an offset or size is impossible, a shard is no plain file name, a "
        "pair has no caption, or the modality or split is not one there is.",
        "Correct the row that the message names (counted from 0).",
    ),
    "MV1774": Explanation(
        "a sample_id is used twice",
        "Names of samples identify them in logs and shards, so each stands in one row only.",
        "Put the source's name before the id, or drop the copies.",
    ),
    "MV1775": Explanation(
        "a concept of the pairs is not in the knowledge graph",
        "Pairs were linked with other concepts than those of the graph.",
        "Use the release of the graph that the pairs were linked with, or link them again.",
    ),
    "MV1801": Explanation(
        "embeddings that are not of unit length",
        "The loss compares cosines and was given rows of another length, so that the temperature "
        "would mean something else for every row.",
        "Normalise the embeddings in fp32 before the loss, or pass unit=False where the scaled "
        "inner product is meant.",
    ),
    "MV1802": Explanation(
        "ranks that do not agree",
        "All ranks score one joined batch and must agree on the width of the embeddings, their "
        "dtype, which ids are given, and the table of related concepts. The message lists what "
        "each rank has.",
        "Build the table over the joined batch, with the same code and seed on every rank; compare "
        "the configurations of the ranks.",
    ),
    "MV1803": Explanation(
        "ids of a relation that do not fit",
        "Group and concept ids are int64 and weights floating point, one per row of this rank's "
        "embeddings; concept ids are -1 or rows of the table of related concepts, which is packed "
        "eight concepts to a byte. An id that would have no effect is refused too.",
        "Compare shape and dtype in the message with the batch; pack the table with pack_related.",
    ),
    "MV1850": Explanation(
        "arguments of a loss have shapes that do not fit",
        "The rows of all arguments of a loss belong to the same samples, and a matrix of scores "
        "has one column per pair of the joined batch; one argument has another shape.",
        "Compare the shapes that the message names; a wrong one often comes from a squeezed axis.",
    ),
    "MV1851": Explanation(
        "an empty batch",
        "No rank holds a row, so the loss is not defined.",
        "Check the sampler and the filters of the manifest. One rank may be empty, all may not.",
    ),
    "MV1852": Explanation(
        "NaN or Inf before a loss",
        "An input of the loss is not finite on the ranks that the message names. The loss is "
        "refused on every rank, so that no rank waits for another.",
        "Look for a diverged learning rate, a missing clamp of the temperature, or a damaged "
        "sample.",
    ),
    "MV1853": Explanation(
        "labels or times out of range",
        "A label is beyond the number of classes, or an event, bin or time is not one that exists.",
        "Compare the label column of the manifest with the order of classes in the configuration.",
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
