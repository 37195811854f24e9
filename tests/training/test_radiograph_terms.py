"""Each term by hand in float64, and what counts where a report is not plain."""

import math

import pytest
import torch

from medvlp.training.radiograph_terms import (
    ClassificationTerm,
    KnowledgeTerm,
    LabelRule,
    LocalTerm,
    ReportTerm,
    TermSettings,
    classification_loss,
    knowledge_loss,
    labels_of_texts,
    local_loss,
    report_loss,
)

EXACT = {"rtol": 0, "atol": 1e-10}


def unit(*shape, seed=0):
    rows = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return rows / rows.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (LabelRule(), [1, 0, -1, -1]),
        (LabelRule(uncertain="absent"), [1, 0, 0, -1]),
        (LabelRule(uncertain="present"), [1, 0, 1, -1]),
        (LabelRule(unmentioned="absent"), [1, 0, -1, 0]),
        (LabelRule(uncertain="present", unmentioned="absent"), [1, 0, 1, 0]),
    ],
)
def test_label_rule__says_what_doubt_and_silence_are(rule, expected):
    assert rule.apply(torch.tensor([1, 0, -1, -2])).tolist() == expected


def test_labels_of_texts__a_shared_text_fits_where_one_of_its_findings_is_present():
    # text 5 is of findings 0 and 1, text 3 of finding 2 alone
    labels = torch.tensor([[1, 0, 0], [0, 0, 1], [0, -1, -1], [-1, 1, 0]])
    found = labels_of_texts(labels, torch.tensor([0, 1, 2]), torch.tensor([5, 5, 3]))
    assert found.labels.tolist() == [[0, 1], [1, 0], [-1, -1], [0, 1]]
    assert found.first.tolist() == [2, 0]


def clip_by_hand(x, y, scale, counts, positive):
    """Mean over both sides of softplus-free InfoNCE: one positive at a time against negatives."""
    total = 0.0
    for rows, columns, keep, own in ((x, y, counts, positive), (y, x, counts.T, positive.T)):
        losses = []
        for i in range(len(rows)):
            z = [float(scale * rows[i] @ columns[j]) for j in range(len(columns))]
            against = [math.exp(z[j]) for j in range(len(z)) if keep[i, j] and not own[i, j]]
            each = [
                math.log(math.exp(z[j]) + sum(against)) - z[j] for j in range(len(z)) if own[i, j]
            ]
            losses.append(sum(each) / len(each))
        total += sum(losses) / len(losses) / 2
    return total


@pytest.mark.parametrize("identical", ["positives", "ignored", "negatives"])
def test_report_loss__treats_identical_reports_as_told(identical):
    x, y = unit(4, 6), unit(4, 6, seed=1)
    group = torch.tensor([7, 3, 7, 9])
    same = group[:, None] == group
    eye = torch.eye(4, dtype=torch.bool)
    own = same if identical == "positives" else eye
    counts = ~(same & ~eye) if identical == "ignored" else torch.ones_like(eye)
    scale = torch.tensor(3.0, dtype=torch.float64)
    actual = report_loss(5 * x, 2 * y, scale, group, ReportTerm(identical=identical))
    assert float(actual) == pytest.approx(clip_by_hand(x, y, scale, counts, own), abs=1e-10)


def test_knowledge_loss__leaves_unknown_descriptions_out():
    x, bank = unit(2, 5), unit(3, 5, seed=1)
    labels = torch.tensor([[1, 0, -1], [1, 1, 0]])
    scale = torch.tensor(4.0, dtype=torch.float64)
    s = (4.0 * x @ bank.T).tolist()
    lse = lambda *values: math.log(sum(math.exp(v) for v in values))  # noqa: E731 - a formula
    rows = ((lse(s[0][0], s[0][1]) - s[0][0]) + (lse(*s[1]) - (s[1][0] + s[1][1]) / 2)) / 2
    columns = (
        (lse(s[0][0], s[1][0]) - (s[0][0] + s[1][0]) / 2) + (lse(s[0][1], s[1][1]) - s[1][1])
    ) / 2
    actual = knowledge_loss(x, bank, labels, scale, KnowledgeTerm())
    assert float(actual) == pytest.approx((rows + columns) / 2, abs=1e-10)


@pytest.mark.parametrize("gather", ["sum", "mean"])
def test_local_loss__gathers_the_patches_of_each_sentence(gather):
    patches, units = unit(2, 3, 4), unit(2, 2, 4, seed=1)
    num = torch.tensor([2, 1])
    settings = LocalTerm(attention_scale=2.0, word_scale=3.0, score_scale=1.5, gather=gather)
    scores = [[0.0, 0.0], [0.0, 0.0]]
    for image in range(2):
        for text in range(2):
            terms = []
            for sentence in units[text, : num[text]]:
                weights = torch.softmax(2.0 * patches[image] @ sentence, dim=0)
                context = weights @ patches[image]
                terms.append(math.exp(3.0 * float(context @ sentence / context.norm())))
            total = sum(terms) / (len(terms) if gather == "mean" else 1)
            scores[image][text] = 1.5 * math.log(total)
    s = torch.tensor(scores, dtype=torch.float64)
    expected = -(s.log_softmax(1).diagonal().mean() + s.log_softmax(0).diagonal().mean()) / 2
    actual = local_loss(7 * patches, 3 * units, num, settings)
    torch.testing.assert_close(actual, expected, **EXACT)


def test_classification_loss__is_the_mean_over_what_is_known():
    logits = torch.tensor([[2.0, -1.0], [0.5, 3.0]], dtype=torch.float64)
    labels = torch.tensor([[1, -1], [0, 1]])
    expected = (
        math.log1p(math.exp(-2.0)) + math.log1p(math.exp(0.5)) + math.log1p(math.exp(-3.0))
    ) / 3
    assert float(classification_loss(logits, labels)) == pytest.approx(expected, abs=1e-12)


def test_settings__say_what_must_be_read():
    off = {"weight": 0.0}
    silent = {name: off for name in ("report", "knowledge", "local", "classification")}
    assert not TermSettings(**silent).reads_reports
    assert not TermSettings(**silent).reads_findings
    assert TermSettings(**silent | {"local": LocalTerm()}).reads_reports
    alone = TermSettings(
        **silent | {"classification": ClassificationTerm(weight=0, texts_weight=1)}
    )
    assert alone.decodes
    assert alone.reads_findings
    assert not alone.reads_reports
