"""Losses over findings of images, in float64 with explicit loops.

Written from the formulas: MedKLIP (arXiv:2301.02228) for the masked terms and the location
contrast, MAVL (arXiv:2403.07636) for the aspect contrast, Khosla et al. (arXiv:2004.11362, eq. 2
and 3) for several positives.
"""

import math


def log_sum_exp(values):
    values = list(values)
    largest = max(values)
    return largest + math.log(sum(math.exp(value - largest) for value in values))


def cosine(x, y):
    dot = sum(a * b for a, b in zip(x, y, strict=True))
    norms = math.sqrt(sum(a * a for a in x)) * math.sqrt(sum(b * b for b in y))
    return dot / norms


def query_bce(logits, labels, positive_weight=None, weight=None, unmentioned="ignore"):
    total = divisor = 0.0
    for b, row in enumerate(labels):
        for q, label in enumerate(row):
            if label < 0 and unmentioned == "ignore":
                continue
            p = 1 / (1 + math.exp(-logits[b][q]))
            factor = 1.0 if positive_weight is None else positive_weight[q]
            loss = -factor * math.log(p) if label == 1 else -math.log(1 - p)
            share = 1.0 if weight is None else weight[b]
            total += share * loss
            divisor += share
    return total / divisor if divisor else 0.0


def query_pair(logits, labels, weight=None, unmentioned="ignore"):
    total = divisor = 0.0
    for b, row in enumerate(labels):
        for q, label in enumerate(row):
            if label not in (0, 1) and unmentioned == "ignore":
                continue
            chosen = 1 if label == 1 else 0
            share = 1.0 if weight is None else weight[b]
            total += share * (log_sum_exp(logits[b][q]) - logits[b][q][chosen])
            divisor += share
    return total / divisor if divisor else 0.0


def location_contrast(queries, locations, candidates, labels, *, scale=1.0, normalize=False):
    losses = []
    for b, row in enumerate(labels):
        for q, label in enumerate(row):
            if label != 1:
                continue
            scores = []
            for index in candidates[b][q]:
                if normalize:
                    scores.append(scale * cosine(queries[b][q], locations[index]))
                else:
                    pairs = zip(queries[b][q], locations[index], strict=True)
                    scores.append(scale * sum(u * a for u, a in pairs))
            losses.append(log_sum_exp(scores) - scores[0])
    return sum(losses) / len(losses) if losses else 0.0


def one_direction(scores, labels, inside):
    """Mean over rows with a positive of the contrast with several positives."""
    losses = []
    for score_row, label_row in zip(scores, labels, strict=True):
        known = [s for s, y in zip(score_row, label_row, strict=True) if y >= 0]
        fits = [s for s, y in zip(score_row, label_row, strict=True) if y == 1]
        if fits:
            positive = log_sum_exp(fits) if inside else sum(fits) / len(fits)
            losses.append(log_sum_exp(known) - positive)
    return sum(losses) / len(losses) if losses else 0.0


def knowledge_contrast(image, descriptions, labels, scale, inside):
    scores = [[scale * cosine(x, t) for t in descriptions] for x in image]
    rows = one_direction(scores, labels, inside)
    columns = one_direction(
        list(zip(*scores, strict=True)), list(zip(*labels, strict=True)), inside
    )
    return (rows + columns) / 2


def aspect_contrast(image, aspects, labels, log_scale, normalize_targets=False):
    num_images, num_findings, num_aspects = len(image), len(aspects), len(aspects[0])
    total = 0.0
    for k in range(num_aspects):
        scale = math.exp(log_scale[k])
        scores = [[scale * cosine(x, finding[k]) for finding in aspects] for x in image]
        if normalize_targets:
            present = [[int(y == 1) for y in row] for row in labels]
            columns = list(zip(*scores, strict=True))
            total += one_direction(scores, present, inside=False)
            total += one_direction(columns, list(zip(*present, strict=True)), inside=False)
            continue
        for b in range(num_images):
            for q in range(num_findings):
                if labels[b][q] == 1:
                    row = log_sum_exp(scores[b])
                    column = log_sum_exp(scores[i][q] for i in range(num_images))
                    loss = (row - scores[b][q]) + (column - scores[b][q])
                    total += loss / (num_images * num_findings)
    return total / num_aspects
