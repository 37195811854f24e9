import math

import pytest
import torch
from scipy.spatial.distance import cosine

from medvlp.errors import LossError
from medvlp.losses.distill import cosine_distillation_loss, l1_distillation_loss


def test_cosine_distillation_loss__hand_worked():
    # Angles of 0, 90 and 60 degrees: 0, 1 and 1/2.
    student = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0]], dtype=torch.float64)
    teacher = torch.tensor([[5.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(3) / 2]], dtype=torch.float64)
    assert cosine_distillation_loss(student, teacher).item() == pytest.approx(0.5, rel=1e-14)


def test_cosine_distillation_loss__equals_the_distance_of_scipy():
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, 6, 5, generator=generator, dtype=torch.float64)
    distances = [cosine(x, y) for x, y in zip(student.numpy(), teacher.numpy(), strict=True)]
    actual = cosine_distillation_loss(student, teacher)
    assert actual.item() == pytest.approx(sum(distances) / 6, rel=1e-12)


def test_cosine_distillation_loss__does_not_depend_on_lengths():
    generator = torch.Generator().manual_seed(1)
    student, teacher = torch.randn(2, 6, 5, generator=generator, dtype=torch.float64)
    expected = cosine_distillation_loss(student, teacher)
    actual = cosine_distillation_loss(3 * student, 0.1 * teacher)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-14)


def test_l1_distillation_loss__hand_worked():
    # Rows: (1 + 3)/2 = 2 and (0 + 1)/2 = 1/2; weights 1 and 3: (2 + 3/2) / 4.
    student = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    teacher = torch.tensor([[0.0, 5.0], [0.0, 1.0]])
    assert l1_distillation_loss(student, teacher).item() == pytest.approx(1.25)
    weighted = l1_distillation_loss(student, teacher, weight=torch.tensor([1.0, 3.0]))
    assert weighted.item() == pytest.approx(3.5 / 4)


@pytest.mark.parametrize("loss", [cosine_distillation_loss, l1_distillation_loss])
def test_distillation_losses__teach_the_student_only(loss):
    student, teacher = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    loss(student, teacher).backward()
    assert student.grad is not None
    assert teacher.grad is None


@pytest.mark.parametrize("loss", [cosine_distillation_loss, l1_distillation_loss])
def test_distillation_losses__are_zero_with_weights_of_zero(loss):
    assert loss(torch.ones(2, 3), torch.zeros(2, 3), weight=torch.zeros(2)).item() == 0


@pytest.mark.parametrize("loss", [cosine_distillation_loss, l1_distillation_loss])
def test_distillation_losses__refuse_other_widths_and_negative_weights(loss):
    with pytest.raises(LossError, match=r"MV1850: teacher has shape \(2, 4\); expected \(2, 3\)"):
        loss(torch.ones(2, 3), torch.ones(2, 4))
    with pytest.raises(LossError, match="MV1853: weight holds values outside"):
        loss(torch.ones(2, 3), torch.ones(2, 3), weight=torch.tensor([1.0, -1.0]))
