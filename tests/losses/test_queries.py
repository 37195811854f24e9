import math

import pytest
import torch
from sklearn.metrics import log_loss

from medvlp.errors import LossError
from medvlp.losses.queries import location_contrast_loss, query_bce_loss, query_pair_loss

LN2, LN3 = math.log(2), math.log(3)


def test_query_bce_loss__hand_worked():
    # sigmoid(ln 3) = 3/4, sigmoid(0) = 1/2; the third finding is not mentioned.
    # present at 3/4: ln(4/3); absent at 1/2: ln 2; absent at 3/4: ln 4; present at 1/2: ln 2.
    logits = torch.tensor([[LN3, 0.0, 9.0], [LN3, 0.0, 9.0]], dtype=torch.float64)
    labels = torch.tensor([[1, 0, -1], [0, 1, -1]])
    expected = (math.log(4 / 3) + LN2 + math.log(4) + LN2) / 4
    assert query_bce_loss(logits, labels).item() == pytest.approx(expected, rel=1e-14)


def test_query_bce_loss__equals_log_loss_of_sklearn():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(9, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 2, (9, 4), generator=generator)
    expected = log_loss(labels.flatten().numpy(), logits.sigmoid().flatten().numpy())
    assert query_bce_loss(logits, labels).item() == pytest.approx(expected, rel=1e-12)


def test_query_bce_loss__takes_the_unmentioned_as_absent_when_asked():
    logits = torch.tensor([[LN3, 0.0]], dtype=torch.float64)
    labels = torch.tensor([[1, -1]])
    expected = (math.log(4 / 3) + LN2) / 2
    actual = query_bce_loss(logits, labels, unmentioned="absent")
    assert actual.item() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("loss", [query_bce_loss, query_pair_loss])
def test_query_losses__are_zero_with_zero_gradient_where_nothing_is_mentioned(loss):
    shape = (2, 3) if loss is query_bce_loss else (2, 3, 2)
    logits = torch.ones(shape, requires_grad=True)
    value = loss(logits, torch.full((2, 3), -1))
    value.backward()
    assert value.item() == 0
    assert torch.equal(logits.grad, torch.zeros(shape))


def test_query_bce_loss__is_finite_for_extreme_logits():
    logits = torch.tensor([[1e4, -1e4]], requires_grad=True)
    value = query_bce_loss(logits, torch.tensor([[0, 1]]))
    value.backward()
    assert value.item() == pytest.approx(1e4)
    assert torch.equal(logits.grad, torch.tensor([[0.5, -0.5]]))


def test_query_bce_loss__refuses_labels_above_one():
    with pytest.raises(LossError, match=r"MV1853: labels holds values outside .*, 1\]"):
        query_bce_loss(torch.zeros(1, 2), torch.tensor([[0, 2]]))


def test_query_bce_loss__refuses_labels_that_are_not_integers():
    with pytest.raises(LossError, match=r"MV1854: labels has dtype torch\.float32"):
        query_bce_loss(torch.zeros(1, 2), torch.zeros(1, 2))


def test_query_bce_loss__refuses_negative_weights():
    with pytest.raises(LossError, match="MV1853: weight holds values outside"):
        query_bce_loss(torch.zeros(1, 2), torch.zeros(1, 2).long(), weight=torch.tensor([-1.0]))


def test_query_pair_loss__hand_worked():
    # Column 1 is presence: softmax(0, ln 3) = (1/4, 3/4).
    logits = torch.tensor([[[0.0, LN3], [0.0, LN3], [5.0, 5.0]]], dtype=torch.float64)
    labels = torch.tensor([[1, 0, 2]])
    expected = (math.log(4 / 3) + math.log(4)) / 2
    assert query_pair_loss(logits, labels).item() == pytest.approx(expected, rel=1e-14)


def test_query_pair_loss__equals_cross_entropy_of_torch():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(6, 5, 2, generator=generator, dtype=torch.float64)
    labels = torch.randint(-1, 2, (6, 5), generator=generator)
    expected = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=-1
    )
    torch.testing.assert_close(query_pair_loss(logits, labels), expected, rtol=0, atol=1e-14)


def test_query_pair_loss__does_not_change_when_both_logits_shift():
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(3, 4, 2, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 2, (3, 4), generator=generator)
    shifted = query_pair_loss(logits + torch.randn(3, 4, 1, generator=generator), labels)
    torch.testing.assert_close(shifted, query_pair_loss(logits, labels), rtol=0, atol=1e-13)


def test_query_pair_loss__refuses_one_logit_per_query():
    with pytest.raises(LossError, match=r"MV1850: logits has shape \(2, 3\); .*any, any, 2"):
        query_pair_loss(torch.zeros(2, 3), torch.zeros(2, 3).long())


def test_location_contrast_loss__hand_worked():
    # One present finding: <u, a_0> = ln 3, <u, a_1> = 0, so softmax = (3/4, 1/4), true one first.
    locations = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    queries = torch.tensor([[[LN3, 0.0], [7.0, 7.0]]], dtype=torch.float64)
    candidates = torch.tensor([[[0, 1], [1, 0]]])
    labels = torch.tensor([[1, 0]])
    actual = location_contrast_loss(queries, locations, candidates, labels)
    assert actual.item() == pytest.approx(math.log(4 / 3), rel=1e-14)


def test_location_contrast_loss__is_zero_where_nothing_is_present():
    queries = torch.ones(1, 2, 3, requires_grad=True)
    value = location_contrast_loss(
        queries, torch.ones(4, 3), torch.zeros(1, 2, 2).long(), torch.tensor([[0, -1]])
    )
    value.backward()
    assert value.item() == 0
    assert torch.equal(queries.grad, torch.zeros(1, 2, 3))


def test_location_contrast_loss__reads_candidates_of_present_findings_only():
    candidates = torch.tensor([[[0, 1], [99, -5]]])
    labels = torch.tensor([[1, -1]])
    value = location_contrast_loss(torch.ones(1, 2, 3), torch.ones(2, 3), candidates, labels)
    assert value.item() == pytest.approx(LN2)


def test_location_contrast_loss__refuses_a_location_that_is_not_there():
    with pytest.raises(LossError, match=r"MV1853: candidates holds values outside \[0, 1\]"):
        location_contrast_loss(
            torch.ones(1, 1, 3), torch.ones(2, 3), torch.tensor([[[0, 2]]]), torch.tensor([[1]])
        )
