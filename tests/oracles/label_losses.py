"""Losses on class labels and survival times, in float64 with explicit loops.

Written from the formulas: RenalCLIP (arXiv:2508.16569), PathPT, Cox 1972, Breslow 1974, Efron 1977,
Zadeh and Schmid 2020 (doi:10.1109/TPAMI.2020.2979450).
"""

import math

from tests.oracles.query_losses import log_sum_exp


def multitask(logits, labels, class_weights, divisor="labelled"):
    total = 0.0
    for task, rows in logits.items():
        loss = count = weights = 0.0
        for row, label in zip(rows, labels[task], strict=True):
            if label == -1:
                continue
            weight = class_weights[task][label] if task in class_weights else 1.0
            loss += weight * (log_sum_exp(row) - row[label])
            count += 1
            weights += weight
        if count:
            total += loss / (count if divisor == "labelled" else weights)
    return total


def cox(log_hazard, durations, events, ties):
    """Partial likelihood by risk sets; ``ties`` is breslow or efron."""
    num = len(log_hazard)
    total = 0.0
    for time in sorted({durations[i] for i in range(num) if events[i]}):
        tied = [i for i in range(num) if events[i] and durations[i] == time]
        at_risk = sum(math.exp(log_hazard[j]) for j in range(num) if durations[j] >= time)
        tied_sum = sum(math.exp(log_hazard[j]) for j in tied)
        for place, i in enumerate(tied):
            gone = place / len(tied) * tied_sum if ties == "efron" else 0.0
            total += math.log(at_risk - gone) - log_hazard[i]
    return total / max(sum(events), 1)


def cox_in_order(log_hazard, durations, events, epsilon):
    """The rule of pycox: what stands at or before a sample, latest first, is its risk set."""
    order = sorted(range(len(durations)), key=lambda i: -durations[i])
    largest = max(log_hazard)
    running = total = 0.0
    for i in order:
        running += math.exp(log_hazard[i] - largest)
        if events[i]:
            total += math.log(running + epsilon) + largest - log_hazard[i]
    return total / max(sum(events), 1)


def survival_nll(logits, bins, censored, weight):
    total = 0.0
    for row, y, c in zip(logits, bins, censored, strict=True):
        hazards = [1 / (1 + math.exp(-z)) for z in row]
        before = math.prod(1 - h for h in hazards[:y])
        after = before * (1 - hazards[y])
        seen = 0.0 if c else -(math.log(before) + math.log(hazards[y]))
        survived = -math.log(after) if c else 0.0
        total += (1 - weight) * (seen + survived) + weight * seen
    return total / len(logits)


def survival_cross_entropy(logits, bins, censored, weight):
    total = 0.0
    for row, y, c in zip(logits, bins, censored, strict=True):
        hazards = [1 / (1 + math.exp(-z)) for z in row]
        before = math.prod(1 - h for h in hazards[:y])
        after = before * (1 - hazards[y])
        entropy = -math.log(after) if c else -math.log(1 - after)
        seen = 0.0 if c else -(math.log(before) + math.log(hazards[y]))
        total += (1 - weight) * entropy + weight * seen
    return total / len(logits)


def partial_label(logits, labels, with_pseudo, balanced, candidate_weight):
    sure, candidates, pseudo = {}, [], []
    for row, label in zip(logits, labels, strict=True):
        log_p = [z - log_sum_exp(row) for z in row]
        if label >= 0:
            sure.setdefault(label, []).append(-log_p[label])
            continue
        candidates.append(-math.log(math.exp(log_p[0]) + math.exp(log_p[-label])))
        winner = max(range(len(row)), key=lambda c, row=row: row[c])
        if with_pseudo and winner in (0, -label):
            pseudo.append(-log_p[winner])

    def mean(values):
        return sum(values) / len(values) if values else 0.0

    labelled = mean([loss for losses in sure.values() for loss in losses])
    if balanced:
        labelled = mean([mean(losses) for losses in sure.values()])
    weight = len(candidates) / len(labels) if candidate_weight == "share" else candidate_weight
    return labelled + 0.5 * mean(pseudo) + weight * mean(candidates)
