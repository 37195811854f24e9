import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from medvlp.errors import LossError
from medvlp.losses.multitask import multitask_cross_entropy_loss

LN3 = math.log(3)


def test_multitask_cross_entropy_loss__hand_worked():
    # side: softmax(0, ln 3) = (1/4, 3/4) with label 1: ln(4/3); the second sample has no label.
    # grade: uniform over 3, two labels: ln 3. Sum over tasks.
    logits = {
        "side": torch.tensor([[0.0, LN3], [9.0, 9.0]], dtype=torch.float64),
        "grade": torch.zeros(2, 3, dtype=torch.float64),
    }
    labels = {"side": torch.tensor([1, -1]), "grade": torch.tensor([0, 2])}
    loss = multitask_cross_entropy_loss(logits, labels)
    assert loss.item() == pytest.approx(math.log(4 / 3) + LN3, rel=1e-14)


def test_multitask_cross_entropy_loss__divides_by_labels_or_by_weights():
    # Uniform over 2, labels 0 and 1, weights 1 and 3: (1 + 3) ln 2 / 2, or / 4.
    logits, labels = {"a": torch.zeros(2, 2).double()}, {"a": torch.tensor([0, 1])}
    weights = {"a": torch.tensor([1.0, 3.0])}
    published = multitask_cross_entropy_loss(logits, labels, class_weights=weights)
    mean = multitask_cross_entropy_loss(logits, labels, class_weights=weights, divisor="weights")
    assert published.item() == pytest.approx(2 * math.log(2), rel=1e-14)
    assert mean.item() == pytest.approx(math.log(2), rel=1e-14)


def test_multitask_cross_entropy_loss__of_weighted_means_equals_torch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(9, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(-1, 4, (9,), generator=generator)
    weights = torch.rand(4, generator=generator, dtype=torch.float64)
    expected = cross_entropy(logits, labels, weights, ignore_index=-1)
    actual = multitask_cross_entropy_loss(
        {"a": logits}, {"a": labels}, class_weights={"a": weights}, divisor="weights"
    )
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-14)


def test_multitask_cross_entropy_loss__does_not_depend_on_the_order_of_tasks():
    generator = torch.Generator().manual_seed(1)
    logits = {name: torch.randn(5, 3, generator=generator) for name in "abc"}
    labels = {name: torch.randint(-1, 3, (5,), generator=generator) for name in "cab"}
    turned = {name: logits[name] for name in "cba"}
    expected = multitask_cross_entropy_loss(logits, labels)
    assert torch.equal(multitask_cross_entropy_loss(turned, labels), expected)


def test_multitask_cross_entropy_loss__is_zero_where_nothing_is_labelled():
    logits = {"a": torch.randn(3, 2, requires_grad=True)}
    loss = multitask_cross_entropy_loss(logits, {"a": torch.full((3,), -1)})
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits["a"].grad, torch.zeros(3, 2))


def test_multitask_cross_entropy_loss__refuses_a_label_that_no_class_has():
    with pytest.raises(LossError, match=r"MV1853: labels\['a'\] holds values outside \[-1, 1\]"):
        multitask_cross_entropy_loss({"a": torch.zeros(2, 2)}, {"a": torch.tensor([0, 2])})


def test_multitask_cross_entropy_loss__refuses_a_task_without_labels():
    with pytest.raises(ValueError, match=r"tasks differ: logits \['a', 'b'\], labels \['a'\]"):
        multitask_cross_entropy_loss(
            {"a": torch.zeros(1, 2), "b": torch.zeros(1, 2)}, {"a": torch.tensor([0])}
        )
