"""Contrastive losses written from the papers with explicit loops, float64."""

import math


def clip_loss(image: list[list[float]], text: list[list[float]], scale: float) -> float:
    """Radford et al. 2021, arXiv:2103.00020, figure 3: mean of two cross-entropies."""
    count = len(image)
    total = 0.0
    for anchors, others in ((image, text), (text, image)):
        for i in range(count):
            logits = []
            for j in range(count):
                product = sum(a * b for a, b in zip(anchors[i], others[j], strict=True))
                logits.append(scale * product)
            largest = max(logits)
            log_sum = largest + math.log(sum(math.exp(z - largest) for z in logits))
            total += log_sum - logits[i]
    return total / (2 * count)
