import dataclasses

import numpy as np
import pytest

from medvlp.errors import PhantomError
from medvlp.phantoms.truth import PhantomSlideTruth, load_truth, save_truth, truth_paths


@pytest.fixture
def truth():
    labels = np.zeros((12, 16), dtype=np.uint8)
    labels[2:9, 3:12] = 5
    labels[4:7, 5:8] = 1
    labels[8, 3:12] = 7
    artefacts = np.zeros_like(labels)
    artefacts[0, :3] = 1
    return PhantomSlideTruth(
        labels=labels,
        artefacts=artefacts,
        px0_per_px=16,
        size_px0=(250, 190),
        mpp=0.5,
        seed=3,
        diagnosis="clear-cell",
        tumor_share=0.17,
        captions=("One.", "Two \u00b5m."),
        report="A report.",
    )


def test_truth__comes_back_from_disk(truth, tmp_path):
    slide = tmp_path / "a.b.tif"

    save_truth(slide, truth)
    again = load_truth(slide)

    assert [path.name for path in truth_paths(slide)] == ["a.b.truth.npz", "a.b.truth.json"]
    for field in dataclasses.fields(truth):
        expected, actual = getattr(truth, field.name), getattr(again, field.name)
        if isinstance(expected, np.ndarray):
            np.testing.assert_array_equal(actual, expected)
            assert actual.dtype == expected.dtype
        else:
            assert actual == expected


def test_save_truth__writes_equal_bytes_twice(truth, tmp_path):
    save_truth(tmp_path / "a.tif", truth)
    save_truth(tmp_path / "b.tif", truth)

    for first, second in zip(
        truth_paths(tmp_path / "a.tif"), truth_paths(tmp_path / "b.tif"), strict=True
    ):
        assert first.read_bytes() == second.read_bytes()


def test_truth__tissue_is_all_but_glass_and_fat_can_be_left_out(truth):
    assert truth.tissue_mask().sum() == 7 * 9
    assert truth.tissue_mask(with_fat=False).sum() == 6 * 9
    assert truth.class_mask("clear-cell").sum() == 9
    assert truth.class_keys[5] == "normal"


def test_truth__outlines_enclose_the_area_of_the_class(truth):
    def area(line):
        x, y = line[:-1].astype(np.float64).T
        return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2

    (tumor,) = truth.outlines("clear-cell")
    assert tumor[0].tolist() == tumor[-1].tolist()
    assert area(tumor) == pytest.approx(9 * 256, rel=0.06)  # corners are cut
    assert tumor.min(axis=0).tolist() == [5 * 16, 4 * 16]
    assert tumor.max(axis=0).tolist() == [8 * 16, 7 * 16]
    assert len(truth.outlines("normal")) == 2  # with the hole that the tumour makes
    assert truth.outlines("stroma") == []


def test_load_truth__says_what_is_missing(truth, tmp_path):
    slide = tmp_path / "a.tif"
    save_truth(slide, truth)
    truth_paths(slide)[0].write_bytes(b"not a zip")
    with pytest.raises(PhantomError, match=r"truth of a\.tif cannot be read") as caught:
        load_truth(slide)
    assert caught.value.code == "MV1903"
    with pytest.raises(PhantomError, match=r"b\.truth\.npz and b\.truth\.json beside"):
        load_truth(tmp_path / "b.tif")
