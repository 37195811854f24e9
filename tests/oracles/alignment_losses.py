"""Losses that match images with captions, in float64 with explicit loops.

Written from the formulas: GLoRIA (Huang et al. 2021, ICCV, eq. 3 to 7), CARZero
(arXiv:2402.17417), Structure-CLIP (arXiv:2305.06152), VSE++ (arXiv:1707.05612, eq. 6).
"""

import math

from tests.oracles.query_losses import cosine, log_sum_exp


def dot(x, y):
    return sum(a * b for a, b in zip(x, y, strict=True))


def softmax(values):
    shift = log_sum_exp(values)
    return [math.exp(value - shift) for value in values]


def match_rows(scores):
    losses = [log_sum_exp(row) - row[i] for i, row in enumerate(scores)]
    return sum(losses) / len(losses)


def match_columns(scores):
    return match_rows([list(column) for column in zip(*scores, strict=True)])


def word_attention(patches, words, attention_scale, words_compete):
    """Attention of each word over the patches of one image, words without padding."""
    products = [[dot(patch, word) for word in words] for patch in patches]
    if words_compete:
        products = [softmax(row) for row in products]
    return [
        softmax([attention_scale * products[n][m] for n in range(len(patches))])
        for m in range(len(words))
    ]


def local_scores(patches, words, num_words, settings):
    scores = []
    for image in patches:
        row = []
        for text, count in zip(words, num_words, strict=True):
            present = text[: int(count)]
            attention = word_attention(
                image, present, settings.attention_scale, settings.words_compete
            )
            terms = []
            for word, weights in zip(present, attention, strict=True):
                context = [
                    sum(weight * patch[d] for weight, patch in zip(weights, image, strict=True))
                    for d in range(len(word))
                ]
                terms.append(math.exp(settings.word_scale * cosine(context, word)))
            gathered = sum(terms) if settings.gather == "sum" else sum(terms) / len(terms)
            row.append(settings.score_scale * math.log(gathered))
        scores.append(row)
    return scores


def swapped_caption(image, caption, swapped, margin, has_swap):
    losses = [
        max(0.0, margin - (dot(v, t) - dot(v, wrong)))
        for v, t, wrong, counts in zip(image, caption, swapped, has_swap, strict=True)
        if counts
    ]
    return sum(losses) / len(losses) if losses else 0.0


def in_batch_hinge(image, text, margin, negatives):
    num_pairs = len(image)
    total = 0.0
    for anchors, others in ((image, text), (text, image)):
        for i in range(num_pairs):
            wrong = [dot(anchors[i], others[j]) for j in range(num_pairs) if j != i]
            if wrong:
                worst = max(wrong) if negatives == "hardest" else sum(wrong) / len(wrong)
                total += max(0.0, margin + worst - dot(anchors[i], others[i]))
    return total / num_pairs


def cosine_distillation(student, teacher, weight):
    losses = [1 - cosine(x, y) for x, y in zip(student, teacher, strict=True)]
    return dot(losses, weight) / sum(weight)


def l1_distillation(student, teacher, weight):
    losses = [
        sum(abs(a - b) for a, b in zip(x, y, strict=True)) / len(x)
        for x, y in zip(student, teacher, strict=True)
    ]
    return dot(losses, weight) / sum(weight)
