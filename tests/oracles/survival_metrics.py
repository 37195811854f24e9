"""Concordance and baseline hazard, in float64 with explicit loops.

Written from the definitions: Harrell et al. 1996, Antolini et al. 2005, Breslow 1972.
"""

import math


def harrell(durations, events, risk):
    concordant = comparable = 0.0
    for i in range(len(risk)):
        for j in range(len(risk)):
            outlived = durations[j] > durations[i]
            censored_later = durations[j] == durations[i] and not events[j]
            if i != j and events[i] and (outlived or censored_later):
                comparable += 1
                concordant += 1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0
    return concordant / comparable


def antolini(durations, events, survival, rows, adjusted):
    credit = comparable = 0.0
    for i in range(len(rows)):
        for j in range(len(rows)):
            if i == j:
                continue
            mine, other = survival[rows[i]][i], survival[rows[i]][j]
            earlier = durations[i] < durations[j] and events[i]
            tied = durations[i] == durations[j]
            if earlier or (tied and events[i] and not events[j]):
                comparable += 1
                credit += 1.0 if mine < other else 0.5 if adjusted and mine == other else 0.0
            elif adjusted and tied and events[i] and events[j]:
                comparable += 1
                credit += 1.0 if mine == other else 0.5
            elif adjusted and tied and events[j]:
                comparable += 1
                credit += 1.0 if mine > other else 0.5 if mine == other else 0.0
    return credit / comparable


def breslow_survival(durations, events, log_hazard, new_log_hazard):
    grid = sorted(set(durations))
    cumulative, curves = 0.0, []
    for time in grid:
        pairs = list(zip(durations, events, log_hazard, strict=True))
        died = sum(1 for t, e, _ in pairs if t == time and e)
        at_risk = sum(math.exp(h) for t, _, h in pairs if t >= time)
        cumulative += died / at_risk
        curves.append([math.exp(-cumulative * math.exp(h)) for h in new_log_hazard])
    return grid, curves
