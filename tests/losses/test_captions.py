import pytest
import torch
from torch.nn.functional import normalize

from medvlp.errors import LossError
from medvlp.losses.captions import in_batch_hinge_loss, swapped_caption_loss


def units(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)


def test_swapped_caption_loss__hand_worked():
    # <v, t> - <v, wrong> = 1 - 0.6 = 0.4 (beyond the margin) and 0.6 - 1 = -0.4: (0 + 0.5)/2.
    image = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    near, far = torch.tensor([1.0, 0.0]), torch.tensor([0.6, 0.8])
    loss = swapped_caption_loss(image, torch.stack([near, far]), torch.stack([far, near]))
    assert loss.item() == pytest.approx(0.25)


def test_swapped_caption_loss__equals_the_margin_ranking_loss_of_torch():
    image, caption, swapped = units(0, 3, 6, 5)
    expected = torch.nn.functional.margin_ranking_loss(
        (image * caption).sum(-1), (image * swapped).sum(-1), torch.ones(6), margin=0.3
    )
    actual = swapped_caption_loss(image, caption, swapped, margin=0.3)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-14)


def test_swapped_caption_loss__is_the_margin_where_both_captions_are_equal():
    image, caption = units(1, 2, 4, 5)
    loss = swapped_caption_loss(image, caption, caption, margin=0.25)
    assert loss.item() == pytest.approx(0.25, rel=1e-12)


def test_swapped_caption_loss__leaves_out_captions_without_a_swap():
    image, caption, swapped = units(2, 3, 6, 5)
    has_swap = torch.tensor([True, False, True, True, False, True])
    expected = swapped_caption_loss(image[has_swap], caption[has_swap], swapped[has_swap])
    actual = swapped_caption_loss(image, caption, swapped, has_swap=has_swap)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-14)
    nothing = swapped_caption_loss(image, caption, swapped, has_swap=has_swap & False)
    assert nothing.item() == 0


def test_in_batch_hinge_loss__hand_worked():
    # s = [[1, 0.6], [0, 0.8]], margin 0.2. Rows: 0.2 + 0.6 - 1 < 0, 0.2 + 0 - 0.8 < 0.
    # Columns: 0.2 + 0 - 1 < 0, 0.2 + 0.6 - 0.8 = 0. With margin 0.5: 0.1, 0, 0, 0.3 over 2.
    image = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    text = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    assert in_batch_hinge_loss(image, text).item() == pytest.approx(0, abs=1e-7)
    assert in_batch_hinge_loss(image, text, margin=0.5).item() == pytest.approx(0.2)


@pytest.mark.parametrize("negatives", ["hardest", "mean"])
def test_in_batch_hinge_loss__does_not_change_when_image_and_text_swap(negatives):
    image, text = units(3, 2, 6, 5)
    expected = in_batch_hinge_loss(image, text, negatives=negatives)
    actual = in_batch_hinge_loss(text, image, negatives=negatives)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-14)


def test_in_batch_hinge_loss__of_two_pairs_is_the_same_for_hardest_and_mean():
    image, text = units(4, 2, 2, 5)
    expected = in_batch_hinge_loss(image, text, negatives="hardest")
    actual = in_batch_hinge_loss(image, text, negatives="mean")
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-14)


def test_caption_losses__refuse_a_negative_margin():
    image = units(5, 3, 4)
    with pytest.raises(ValueError, match=r"margin must be >= 0, got -0\.1"):
        swapped_caption_loss(image, image, image, margin=-0.1)
    with pytest.raises(ValueError, match=r"margin must be >= 0, got -0\.1"):
        in_batch_hinge_loss(image, image, margin=-0.1)


def test_swapped_caption_loss__refuses_captions_of_another_width():
    with pytest.raises(LossError, match=r"MV1850: swapped has shape \(3, 5\); expected \(3, 4\)"):
        swapped_caption_loss(units(6, 3, 4), units(6, 3, 4), units(6, 3, 5))
