import numpy as np
import pytest

from medvlp.phantoms.captions import (
    caption_class,
    caption_tiles,
    class_shares,
    dominant_classes,
)
from medvlp.phantoms.classes import CLASSES, find_class
from medvlp.phantoms.truth import PhantomSlideTruth
from medvlp.phantoms.vocabulary import TRAITS


@pytest.fixture
def truth():
    """Left half papillary, right half normal, a corner of fat; map pixels of 16 px."""
    labels = np.full((64, 64), find_class("papillary").code, dtype=np.uint8)
    labels[:, 32:] = find_class("normal").code
    labels[:12, :12] = find_class("fat").code
    artefacts = np.zeros_like(labels)
    artefacts[48:] = 4
    return PhantomSlideTruth(
        labels=labels,
        artefacts=artefacts,
        px0_per_px=16,
        size_px0=(1024, 1024),
        mpp=0.5,
        seed=11,
        diagnosis="papillary",
        tumor_share=0.5,
        captions=(),
        report="",
    )


COORDS = np.array([[0, 0], [256, 256], [384, 256], [768, 0], [0, 768], [0, 256]])


def words_of(key):
    return (*find_class(key).names, *(phrase for group in TRAITS[key] for phrase in group))


def says(caption, key):
    return any(phrase.lower() in caption.lower() for phrase in words_of(key))


def test_class_shares__count_map_pixels(truth):
    shares = class_shares(truth, COORDS, 256)

    assert shares.sum(axis=1) == pytest.approx(1)
    assert shares[0, find_class("fat").code] == pytest.approx(144 / 256)
    assert shares[2, find_class("papillary").code] == pytest.approx(0.5)


def test_class_shares__do_not_count_what_lies_beyond_the_slide(truth):
    shares = class_shares(truth, np.array([[900, 900], [2000, 2000]]), 256.0)

    assert shares[:, find_class("normal").code].tolist() == [1.0, 1.0]


def test_dominant_classes__take_the_largest_share(truth):
    codes, shares = dominant_classes(truth, COORDS, 256)

    keys = [CLASSES[code].key for code in codes]
    assert keys[:2] == ["fat", "papillary"]
    assert keys[3:] == ["normal", "papillary", "papillary"]
    assert shares[3] == 1.0


def test_caption_tiles__skips_mixed_tiles_and_names_the_class(truth):
    captions = caption_tiles(truth, COORDS, 256, seed=0)

    assert captions[0] is None
    assert captions[2] is None
    for index, key in ((1, "papillary"), (3, "normal"), (4, "papillary")):
        assert says(captions[index], key)
        others = {item.key for item in CLASSES} - {key}
        assert not any(says(captions[index], other) for other in others)


def test_caption_tiles__min_share_lets_mixed_tiles_in(truth):
    assert caption_tiles(truth, COORDS, 256, seed=0, min_share=0.5)[0] is not None


def test_caption_tiles__says_when_the_field_is_out_of_focus(truth):
    captions = caption_tiles(truth, COORDS, 256, seed=0)

    assert captions[4].endswith("out of focus.")
    assert not captions[1].endswith("out of focus.")


def test_caption_tiles__depends_on_seed_and_position_only(truth):
    forward = caption_tiles(truth, COORDS, 256, seed=5)
    backward = caption_tiles(truth, COORDS[::-1], 256, seed=5)
    many = np.array([[0, 256]] * 3 + [[16 * i, 256] for i in range(10)])

    assert forward == backward[::-1]
    assert len(set(caption_tiles(truth, many, 256, seed=5)[:3])) == 1
    assert len(set(caption_tiles(truth, many, 256, seed=5))) > 5
    assert forward != caption_tiles(truth, COORDS, 256, seed=6)


@pytest.mark.parametrize("key", [item.key for item in CLASSES])
def test_caption_class__is_varied_and_a_sentence(key):
    rng = np.random.default_rng(0)
    captions = {caption_class(rng, key) for _ in range(300)}

    assert len(captions) > 100
    assert all(caption[0].isupper() and caption.endswith(".") for caption in captions)
    assert all(says(caption, key) for caption in captions)
    assert not any("{" in caption for caption in captions)


def test_caption_tiles__of_no_tiles_is_empty(truth):
    assert caption_tiles(truth, np.empty((0, 2), dtype=np.int64), 256, seed=0) == []
