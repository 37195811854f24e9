"""Tile scores by explicit loops in float64, written from the published formulas.

KEEP, github.com/MAGIC-AI4Med/KEEP, WSI_evaluation: softmax of scaled cosines, smoothing over four
positions, ratios, screening. PathPT, github.com/MAGIC-AI4Med/PathPT: slide label. MI-Zero,
arXiv:2306.07831, and CONCH, doi:10.1038/s41591-024-02856-4: top-j pooling and prompt ensembles.
"""

import math


def cosine(a, b):
    dot = sum(float(x) * float(y) for x, y in zip(a, b, strict=True))
    length_a = math.sqrt(sum(float(x) ** 2 for x in a))
    return dot / max(length_a, 1e-12)


def probabilities(features, weights, scale):
    """Softmax of scaled cosines; ``weights`` are unit columns (D, C)."""
    rows = []
    for feature in features:
        powers = [math.exp(scale * cosine(feature, column)) for column in weights.T]
        rows.append([power / sum(powers) for power in powers])
    return rows


def smoothed(values, coords, step):
    """Mean over the tile and its neighbours to the left, above and above left; first one wins."""
    at = {}
    for value, (x, y) in zip(values, coords, strict=True):
        at.setdefault((int(x), int(y)), [float(v) for v in value])
    step_x, step_y = step if isinstance(step, tuple) else (step, step)
    rows = []
    for x, y in coords:
        around = [(x - step_x, y - step_y), (x, y - step_y), (x - step_x, y), (x, y)]
        found = [at[place] for place in around if place in at]
        rows.append([sum(v) / len(found) for v in zip(*found, strict=True)])
    return rows


def first_rows(coords):
    seen, rows = set(), []
    for row, (x, y) in enumerate(coords):
        if (int(x), int(y)) not in seen:
            seen.add((int(x), int(y)))
            rows.append(row)
    return rows


def slide_label(scores, normal):
    """PathPT's slide label and its share: (class, share)."""
    classes = range(len(scores[0]))
    tumours = [c for c in classes if c != normal]

    def best(row, among):
        return max(among, key=lambda c: (row[c], -c))

    labels = [best(row, classes) for row in scores]
    counts = {c: labels.count(c) for c in tumours}
    largest = max(counts.values())
    if largest == 0 or list(counts.values()).count(largest) > 1:
        labels = [best(row, tumours) for row in scores]
        counts = {c: labels.count(c) for c in tumours}
        largest = max(counts.values())
    winner = min(c for c in tumours if counts[c] == largest)
    return winner, largest / sum(counts.values())


def plain_label(scores, normal):
    """KEEP's slide label: arg-max of the fractions without the normal class."""
    classes = list(range(len(scores[0])))
    labels = [max(classes, key=lambda c, row=row: (row[c], -c)) for row in scores]
    tumours = [c for c in classes if c != normal]
    return max(tumours, key=lambda c: (labels.count(c), -c))


def top_j(scores, j, aggregate):
    pooled = []
    for column in zip(*scores, strict=True):
        highest = sorted((float(v) for v in column), reverse=True)[:j]
        pooled.append(sum(highest) / (len(highest) if aggregate == "mean" else 1))
    return pooled


def class_column(embeddings):
    """CONCH: mean over names and templates of unit vectors, at unit length."""
    total = None
    for name in embeddings:
        for vector in name:
            length = math.sqrt(sum(float(v) ** 2 for v in vector))
            unit = [float(v) / length for v in vector]
            total = unit if total is None else [a + b for a, b in zip(total, unit, strict=True)]
    length = math.sqrt(sum(v**2 for v in total))
    return [v / length for v in total]


def screening_score(features, columns):
    """KEEP: mean over tiles of (m1 - m2) - |m1 + m2 - 1| for one set of class columns (D, C)."""
    total = 0.0
    for feature in features:
        m1, m2 = sorted((cosine(feature, column) for column in columns.T), reverse=True)[:2]
        total += (m1 - m2) - abs(m1 + m2 - 1)
    return total / len(features)
