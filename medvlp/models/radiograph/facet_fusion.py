"""Fusion of the texts about a finding into one query.

Letters: N texts, C findings, K kinds of texts, D embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import torch
from torch import nn

from medvlp.errors import ModelError
from medvlp.losses.precision import in_full_precision, outside_autocast
from medvlp.models.radiograph.settings import FacetKind

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.models.radiograph.settings import FacetSettings

__all__ = ["FacetFusion", "chosen_facets", "fill_slots"]

_ALL_KINDS: tuple[str, ...] = get_args(FacetKind)
_NAME, _APPEARANCE = _ALL_KINDS.index("name"), _ALL_KINDS.index("appearance")


def chosen_facets(
    class_index: Tensor, kind: Tensor, num_classes: int, kinds: tuple[FacetKind, ...]
) -> Tensor:
    """Tell which texts make the queries: those of the chosen kinds, names where there are none.

    Args:
        class_index: Finding of each text, shape ``(N,)``, int64 in ``[0, C)``.
        kind: Position of each text's kind among name, definition and appearance, ``(N,)``, int64.
        num_classes: The C.
        kinds: The kinds that are used.

    Returns:
        Shape ``(N,)``, bool.

    Raises:
        ModelError: If a finding has neither a text of these kinds nor a name (MV1462).
        ValueError: If shapes or indices are wrong.
    """
    _check_index("class_index", class_index, num_classes, len(kind))
    _check_index("kind", kind, len(_ALL_KINDS), len(kind))
    positions = torch.tensor([_ALL_KINDS.index(k) for k in kinds], device=kind.device)
    chosen = torch.isin(kind, positions)
    lacking = torch.ones(num_classes, dtype=torch.bool, device=kind.device)
    lacking[class_index[chosen]] = False
    chosen = chosen | (lacking[class_index] & (kind == _NAME))
    lacking[class_index[chosen]] = False
    if bool(lacking.any()):
        raise ModelError(
            "MV1462",
            f"finding {int(lacking.nonzero()[0])} of {num_classes} has no text to ask with",
            expected=f"a name, or a text of the kinds {list(kinds)}",
        )
    return chosen


def _check_index(name: str, index: Tensor, bound: int, length: int) -> None:
    if index.ndim != 1 or len(index) != length:
        msg = f"{name} must be of shape ({length},), got {tuple(index.shape)}"
        raise ValueError(msg)
    if len(index) and not 0 <= int(index.min()) <= int(index.max()) < bound:
        msg = f"{name} must be in [0, {bound}), got {int(index.min())} to {int(index.max())}"
        raise ValueError(msg)


class FacetFusion(nn.Module):
    """Makes one query of the names, the definition and the appearances of a finding.

    ``mean``: the mean over kinds of the mean over the texts of a kind. ``concat``: the means of all
    kinds side by side, a learned vector in place of a missing kind, through one linear layer that
    starts as their mean. ``attention``: ``sum_n a_n f_n`` with ``a = softmax_n(u . (W f_n + e_kind)
    / sqrt(D))`` over the texts of a finding. None depends on the order of the texts.

    Args:
        settings: Kinds and form.
        dim: Width D of texts and queries.

    Source:
        A reconstruction: Luo et al. 2024 (DeViDe), arXiv:2404.03618, names a fusion of facets
        without a formula.
    """

    def __init__(self, settings: FacetSettings, dim: int) -> None:
        super().__init__()
        self.settings = settings
        if settings.fusion == "concat":
            count = len(settings.kinds)
            self.missing = nn.Parameter(0.02 * torch.randn(count, dim))
            self.merge = nn.Linear(count * dim, dim)
            with torch.no_grad():
                self.merge.weight.copy_(torch.eye(dim).repeat(1, count) / count)
                self.merge.bias.zero_()
        if settings.fusion == "attention":
            self.asking = nn.Parameter(0.02 * torch.randn(dim))
            self.key = nn.Linear(dim, dim)
            self.kind_key = nn.Parameter(0.02 * torch.randn(len(_ALL_KINDS), dim))

    def forward(
        self, sentence: Tensor, class_index: Tensor, kind: Tensor, num_classes: int
    ) -> Tensor:
        """Fuse the texts of each finding; full precision under autocast.

        Args:
            sentence: Texts about all findings, in any order, shape ``(N, D)``, float.
            class_index: Finding of each text, shape ``(N,)``, int64 in ``[0, C)``.
            kind: Position of each text's kind among name, definition, appearance, ``(N,)``, int64.
            num_classes: The C.

        Returns:
            Queries, shape ``(C, D)``, fp32 or wider.

        Raises:
            ModelError: If a finding has no text to ask with (MV1462).
            ValueError: If shapes or indices are wrong.
        """
        chosen = chosen_facets(class_index, kind, num_classes, self.settings.kinds)
        texts = sentence[chosen], class_index[chosen], kind[chosen]
        return _fuse(*texts, num_classes, self)

    def merge_kinds(
        self, sentence: Tensor, class_index: Tensor, kind: Tensor, num_classes: int
    ) -> Tensor:
        """Fuse by means over the kinds (``mean``, ``concat``)."""
        kinds = [_ALL_KINDS.index(k) for k in self.settings.kinds]
        means, present = _kind_means(sentence, class_index, kind, num_classes)
        if self.settings.fusion == "mean":
            return (means * present.unsqueeze(-1)).sum(1) / present.sum(1, keepdim=True)
        # A finding that falls back on its names asks with them in place of every kind it lacks.
        only_names = ~present[:, kinds].any(1)
        filled = torch.where(present[:, kinds].unsqueeze(-1), means[:, kinds], self.missing)
        names = means[:, _NAME : _NAME + 1].expand_as(filled)
        filled = torch.where(only_names[:, None, None], names, filled)
        merged: Tensor = self.merge(filled.flatten(1))
        return merged

    def attend_texts(
        self, sentence: Tensor, class_index: Tensor, kind: Tensor, num_classes: int
    ) -> Tensor:
        """Fuse by attention over the texts of each finding."""
        scores = (self.key(sentence) + self.kind_key[kind]) @ self.asking
        scores = scores * sentence.shape[1] ** -0.5
        highest = scores.new_full((num_classes,), -torch.inf)
        highest = highest.scatter_reduce(0, class_index, scores.detach(), "amax")
        weights = (scores - highest[class_index]).exp()
        total = scores.new_zeros(num_classes).index_add(0, class_index, weights)
        weighted = sentence * (weights / total[class_index]).unsqueeze(-1)
        return sentence.new_zeros(num_classes, sentence.shape[1]).index_add(
            0, class_index, weighted
        )


@outside_autocast
def _fuse(
    sentence: Tensor, class_index: Tensor, kind: Tensor, num_classes: int, fusion: FacetFusion
) -> Tensor:
    texts = in_full_precision(sentence), class_index, kind, num_classes
    if fusion.settings.fusion == "attention":
        return fusion.attend_texts(*texts)
    return fusion.merge_kinds(*texts)


def _kind_means(
    sentence: Tensor, class_index: Tensor, kind: Tensor, num_classes: int
) -> tuple[Tensor, Tensor]:
    """Return the mean text of each finding and kind, ``(C, 3, D)``, and where there is one."""
    count = num_classes * len(_ALL_KINDS)
    slots = class_index * len(_ALL_KINDS) + kind
    means = _class_means(sentence, slots, count)
    present = torch.bincount(slots, minlength=count) > 0
    shape = (num_classes, len(_ALL_KINDS))
    return means.reshape(*shape, -1), present.reshape(shape)


def fill_slots(
    sentence: Tensor, class_index: Tensor, kind: Tensor, num_classes: int, num_slots: int
) -> Tensor:
    """Lay the texts of each finding out in a fixed number of places (MAVL's aspects).

    The first place is the mean definition, or the mean name where there is none; the others are the
    appearances in the order given, from the front again where they are fewer than the places, and
    the first place's vector where there are none.

    Args:
        sentence: Shape ``(N, D)``, float.
        class_index: Finding of each text, shape ``(N,)``, int64 in ``[0, C)``.
        kind: Position of each text's kind among name, definition, appearance, ``(N,)``, int64.
        num_classes: The C.
        num_slots: Places per finding, >= 1.

    Returns:
        Shape ``(C, num_slots, D)``.

    Raises:
        ModelError: If a finding has neither a definition nor a name (MV1462).
        ValueError: If shapes or indices are wrong.
    """
    chosen = chosen_facets(class_index, kind, num_classes, ("definition",))
    first = _class_means(sentence[chosen], class_index[chosen], num_classes)
    rows = []
    for finding in range(num_classes):
        looks = sentence[(class_index == finding) & (kind == _APPEARANCE)]
        if len(looks):
            turns = torch.arange(num_slots - 1, device=looks.device) % len(looks)
            others = looks[turns]
        else:
            others = first[finding].expand(num_slots - 1, -1)
        rows.append(torch.cat([first[finding : finding + 1], others]))
    return torch.stack(rows)


def _class_means(sentence: Tensor, class_index: Tensor, num_classes: int) -> Tensor:
    sums = sentence.new_zeros(num_classes, sentence.shape[1]).index_add(0, class_index, sentence)
    numbers = torch.bincount(class_index, minlength=num_classes).to(sentence.dtype)
    return sums / numbers.clamp(min=1).unsqueeze(-1)
