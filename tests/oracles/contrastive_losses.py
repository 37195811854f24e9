"""Losses over pairs in float64 with explicit loops over nested lists, written from the papers.

``positive(i, j)`` and ``ignored(i, j)`` say what a pair of row i of x and row j of y is. Sums of
exponentials use the largest exponent as their unit, so that scale 100 stays finite.
"""

import math


def dot(a, b):
    return sum(p * q for p, q in zip(a, b, strict=True))


def unit(a):
    length = max(math.sqrt(dot(a, a)), 1e-12)
    return [p / length for p in a]


def logits(x, y, scale, bias=0.0):
    return [[scale * dot(a, b) + bias for b in y] for a in x]


def log_sum_exp(values):
    values = [v for v in values if v != -math.inf]
    if not values:
        return -math.inf
    top = max(values)
    return top + math.log(math.fsum(math.exp(v - top) for v in values))


def softplus(v):
    return max(v, 0.0) + math.log1p(math.exp(-abs(v)))


def transposed(table):
    return [list(column) for column in zip(*table, strict=True)]


def weighted_mean(values, weights):
    total = math.fsum(weights)
    kept = [(v, w) for v, w in zip(values, weights, strict=True) if w > 0]
    return math.fsum(v * w for v, w in kept) / total if total else 0.0


def anchor_loss(row, positives, ignored, mode):
    """One anchor of Khosla et al. 2020 eq. 2 (outside), Miech et al. 2020 eq. 1 (inside)."""
    allowed = [z for j, z in enumerate(row) if j in positives or j not in ignored]
    negatives = [z for j, z in enumerate(row) if j not in positives and j not in ignored]
    chosen = [row[j] for j in positives]
    if mode == "outside":
        return log_sum_exp(allowed) - math.fsum(chosen) / len(chosen)
    if mode == "inside":
        return log_sum_exp(allowed) - log_sum_exp(chosen)
    against = log_sum_exp(negatives)
    costs = [0.0 if against == -math.inf else softplus(against - z) for z in chosen]
    return math.fsum(costs) / len(costs)


def info_nce(x, y, scale, *, positive, ignored, weight_x, weight_y, mode="outside"):
    table = logits(x, y, scale)
    rows, row_weights = [], []
    for i, row in enumerate(table):
        chosen = {j for j in range(len(y)) if positive(i, j)}
        rows.append(
            anchor_loss(row, chosen, {j for j in range(len(y)) if ignored(i, j)}, mode)
            if chosen
            else 0.0
        )
        row_weights.append(weight_x[i] if chosen else 0.0)
    columns, column_weights = [], []
    for j, column in enumerate(transposed(table)):
        chosen = {i for i in range(len(x)) if positive(i, j)}
        columns.append(
            anchor_loss(column, chosen, {i for i in range(len(x)) if ignored(i, j)}, mode)
            if chosen
            else 0.0
        )
        column_weights.append(weight_y[j] if chosen else 0.0)
    return (weighted_mean(rows, row_weights) + weighted_mean(columns, column_weights)) / 2


def soft_targets(x, y, scale, targets, targets_by_text):
    """Cross-entropy against targets t (softmax over columns) and t' (softmax over rows)."""
    table = logits(x, y, scale)
    total = 0.0
    for i, row in enumerate(table):
        against = log_sum_exp(row)
        total -= math.fsum(targets[i][j] * (z - against) for j, z in enumerate(row)) / len(x)
    for j, column in enumerate(transposed(table)):
        against = log_sum_exp(column)
        shares = (targets_by_text[i][j] * (z - against) for i, z in enumerate(column))
        total -= math.fsum(shares) / len(y)
    return total / 2


def sigmoid(x, y, scale, bias, *, positive, ignored, weight_x, weight_y, divide_by="rows"):
    """Zhai et al. 2023 eq. 1, each pair weighed by the shares of its two samples."""
    by_rows = by_columns = by_pairs = mass = 0.0
    for i, row in enumerate(logits(x, y, scale, bias)):
        for j, z in enumerate(row):
            if ignored(i, j) and not positive(i, j):
                continue
            cost = softplus(-z if positive(i, j) else z)
            by_rows += weight_x[i] * cost
            by_columns += weight_y[j] * cost
            by_pairs += (weight_x[i] + weight_y[j]) * cost
            mass += weight_x[i] + weight_y[j]
    if divide_by == "pairs":
        return by_pairs / mass
    return (by_rows / math.fsum(weight_x) + by_columns / math.fsum(weight_y)) / 2


def _group_direction(table, group_x, group_y, ignored, variant, weight, scale, *, replace):
    """One direction of KEEP's group loss; anchors are the rows of the table."""
    names = [g for g in dict.fromkeys(group_x) if g in group_y]
    losses, weights = [], []
    for g in names:
        own = [i for i, h in enumerate(group_x) if h == g]
        same = [j for j, h in enumerate(group_y) if h == g]
        rows = [log_sum_exp([-table[i][j] for j in same]) for i in own]
        least_hard = variant.startswith("lhp")
        positive = log_sum_exp([-v for v in rows]) if least_hard else -log_sum_exp(rows)

        def value(i, j):
            return (-scale if replace else -math.inf) if ignored(i, j) else table[i][j]

        if variant.endswith("-hn"):
            others = [j for j, h in enumerate(group_y) if h != g]
            negative = log_sum_exp([value(i, j) for i in own for j in others])
        else:
            between = []
            for h in dict.fromkeys(group_y):
                other = [j for j, k in enumerate(group_y) if k == h]
                sums = [log_sum_exp([value(i, j) for j in other]) for i in own]
                sums = [s for s in sums if s != -math.inf]
                if h != g and sums:
                    between.append(-log_sum_exp([-s for s in sums]))
            negative = log_sum_exp(between)
        losses.append(0.0 if negative == -math.inf else softplus(negative - positive))
        weights.append(math.fsum(weight[i] for i in own) / len(own))
    return weighted_mean(losses, weights)


def semantic_groups(
    x, y, scale, group_x, group_y, *, ignored, variant, weight_x, weight_y, replace=False
):
    """KEEP's group loss in closed form, both directions."""
    table = logits([unit(a) for a in x], [unit(b) for b in y], scale)
    rows = _group_direction(
        table, group_x, group_y, ignored, variant, weight_x, scale, replace=replace
    )
    columns = _group_direction(
        transposed(table),
        group_y,
        group_x,
        lambda j, i: ignored(i, j),
        variant,
        weight_y,
        scale,
        replace=replace,
    )
    return (rows + columns) / 2


def adasp(features, scale, group, *, variant, ignored=lambda i, j: False, weight=None):
    """Zhou et al. 2023 (AdaSP) with the self-similarity in the sums, as KEP's program has it."""
    u = [unit(a) for a in features]
    table = logits(u, u, scale)
    weight = weight or [1.0] * len(u)
    losses, weights = [], []
    for g in dict.fromkeys(group):
        own = [a for a, h in enumerate(group) if h == g]
        others = [b for b, h in enumerate(group) if h != g]
        hardest = -log_sum_exp([-table[a][b] for a in own for b in own])
        least = log_sum_exp([-log_sum_exp([-table[a][b] for b in own]) for a in own])
        against = log_sum_exp([table[a][b] for a in own for b in others if not ignored(a, b)])
        alpha = {"sp-h": 1.0, "sp-lh": 0.0}.get(variant)
        if alpha is None:
            h, low = hardest / scale, least / scale
            alpha = 2 * h * low / (h + low) if h >= 0 else 0.0
        positive = alpha * hardest + (1 - alpha) * least
        losses.append(0.0 if against == -math.inf else softplus(against - positive))
        weights.append(math.fsum(weight[a] for a in own) / len(own))
    return weighted_mean(losses, weights)
