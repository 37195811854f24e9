"""Classification metrics by explicit loops in float64, written from their definitions.

AUROC: Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747. Kappa: Cohen 1960,
doi:10.1177/001316446002000104. Hand and Till 2001, doi:10.1023/A:1010920819831 (one versus one).
"""

import itertools
import math


def auroc(labels, scores):
    wins, pairs = 0.0, 0
    for label_i, score_i in zip(labels, scores, strict=True):
        for label_j, score_j in zip(labels, scores, strict=True):
            if label_i == 1 and label_j == 0:
                pairs += 1
                wins += 1.0 if score_i > score_j else 0.5 if score_i == score_j else 0.0
    return wins / pairs


def roc_points(labels, scores):
    """(FPR, TPR, threshold) for every distinct threshold from above all scores downwards."""
    positives = sum(1 for label in labels if label == 1)
    negatives = len(labels) - positives
    points = []
    for threshold in [math.inf, *sorted(set(map(float, scores)), reverse=True)]:
        tp = sum(1 for y, s in zip(labels, scores, strict=True) if y == 1 and s >= threshold)
        fp = sum(1 for y, s in zip(labels, scores, strict=True) if y == 0 and s >= threshold)
        points.append((fp / negatives, tp / positives, threshold))
    return points


def sensitivity_at_specificity(labels, scores, specificity):
    allowed = 1 - specificity + 1e-12
    return max(tpr for fpr, tpr, _ in roc_points(labels, scores) if fpr <= allowed)


def interpolated_sensitivity(labels, scores, specificity):
    best = {}
    for fpr, tpr, _ in roc_points(labels, scores):
        best[fpr] = max(best.get(fpr, 0.0), tpr)
    at = 1 - specificity
    left = max(f for f in best if f <= at)
    right = min((f for f in best if f >= at), default=left)
    if right == left:
        return best[left]
    return best[left] + (best[right] - best[left]) * (at - left) / (right - left)


def youden(labels, scores):
    return max(((tpr - fpr, thr) for fpr, tpr, thr in roc_points(labels, scores)))


def recalls(labels, predictions):
    found = {}
    for c in sorted(set(labels)):
        mine = [p for y, p in zip(labels, predictions, strict=True) if y == c]
        found[c] = sum(1 for p in mine if p == c) / len(mine)
    return found


def balanced_accuracy(labels, predictions):
    found = recalls(labels, predictions)
    return sum(found.values()) / len(found)


def f1(labels, predictions, average):
    total, weight = 0.0, 0.0
    for c in sorted(set(labels) | set(predictions)):
        tp = sum(1 for y, p in zip(labels, predictions, strict=True) if y == c and p == c)
        both = sum(1 for y in labels if y == c) + sum(1 for p in predictions if p == c)
        value = 2 * tp / both if both else 0.0
        share = sum(1 for y in labels if y == c) if average == "weighted" else 1
        total, weight = total + share * value, weight + share
    return total / weight


def kappa(labels, predictions, *, quadratic):
    n = len(labels)
    classes = sorted(set(labels) | set(predictions))
    observed = expected = 0.0
    for i, a in enumerate(classes):
        for j, b in enumerate(classes):
            cost = float((i - j) ** 2) if quadratic else float(i != j)
            both = sum(1 for y, p in zip(labels, predictions, strict=True) if y == a and p == b)
            mine = sum(1 for y in labels if y == a)
            theirs = sum(1 for p in predictions if p == b)
            observed += cost * both / n
            expected += cost * mine * theirs / n**2
    return 1 - observed / expected


def auroc_ovo(labels, rows):
    """Mean over pairs of classes of the two AUROCs among samples of that pair."""
    classes = range(len(rows[0]))
    values = []
    for a in classes:
        for b in classes:
            if a < b:
                mine = [(y, r) for y, r in zip(labels, rows, strict=True) if y in (a, b)]
                one = auroc([int(y == a) for y, _ in mine], [r[a] for _, r in mine])
                two = auroc([int(y == b) for y, _ in mine], [r[b] for _, r in mine])
                values.append((one + two) / 2)
    return sum(values) / len(values)


def pr_auc(labels, scores):
    """Trapezoids under (recall, precision) over all thresholds, starting at (0, 1)."""
    positives = sum(1 for y in labels if y == 1)
    points = [(0.0, 1.0)]
    for threshold in sorted(set(map(float, scores)), reverse=True):
        chosen = [y for y, s in zip(labels, scores, strict=True) if s >= threshold]
        tp = sum(1 for y in chosen if y == 1)
        points.append((tp / positives, tp / len(chosen)))
    area = 0.0
    for (r0, p0), (r1, p1) in itertools.pairwise(points):
        area += (r1 - r0) * (p0 + p1) / 2
    return area
