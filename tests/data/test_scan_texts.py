"""Reports that say the same are one text; vectors are found by the exact text."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from medvlp.data.scan_texts import (
    normalised_report,
    number_reports,
    read_text_features,
    texts_to_embed,
    variants_of,
    write_text_features,
)
from medvlp.errors import DataError
from medvlp.text.reports.cleaning import shuffle_sentences

NORMAL = "Findings: No abnormalities in the left kidney.\nImpression: Normal."
LONG = "Findings: A mass of 3 cm. It is solid. No stone.\nImpression: Suspicious mass. Resect."


def test_number_reports__puts_together_what_says_the_same() -> None:
    reports = [
        NORMAL,
        LONG,
        "",
        shuffle_sentences(LONG, 7),
        NORMAL.upper().replace("FINDINGS", "Findings").replace("IMPRESSION", "Impression"),
        NORMAL.replace("left", "right"),
        LONG.replace("3 cm", "4 cm"),
    ]
    assert number_reports(reports) == [0, 1, -1, 1, 0, 2, 3]


def test_normalised_report__keeps_sections_apart() -> None:
    swapped = "Findings: Normal.\nImpression: No abnormalities in the left kidney."
    assert normalised_report(NORMAL) != normalised_report(swapped)


def test_variants_of__are_the_report_and_shuffled_ones() -> None:
    texts = variants_of(LONG)
    assert texts[0] == LONG
    assert 2 <= len(texts) <= 5
    assert len({normalised_report(text) for text in texts}) == 1
    assert variants_of(LONG) == texts
    assert variants_of("No abnormalities.") == ("No abnormalities.",)


def test_text_features__are_found_by_text(tmp_path: Path) -> None:
    texts = texts_to_embed([NORMAL, LONG, NORMAL])
    assert len(texts) == len(set(texts)) == len({*variants_of(NORMAL), *variants_of(LONG)})
    vectors = np.random.default_rng(0).normal(size=(len(texts), 6)).astype(np.float16)
    write_text_features(tmp_path / "t.safetensors", texts, vectors, encoder="a test")
    found = read_text_features(tmp_path / "t.safetensors")
    assert found.dim == 6
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_array_equal(found.of(text), vector.astype(np.float32))
    assert not found.has("another")
    with pytest.raises(DataError) as caught:
        found.of("another")
    assert caught.value.code == "MV1724"
    raw = safetensors.numpy.load_file(tmp_path / "t.safetensors")
    assert raw["sha256"][0].tobytes() == hashlib.sha256(texts[0].encode()).digest()


def test_write_text_features__wants_a_vector_for_each_text(tmp_path: Path) -> None:
    for texts in (["a"], ["a", "a"]):
        with pytest.raises(ValueError, match="texts"):
            write_text_features(tmp_path / "t", texts, np.zeros((2, 3), np.float32))


KEYS, VECTORS = np.zeros((2, 32), np.uint8), np.zeros((2, 3), np.float32)


@pytest.mark.parametrize(
    "arrays",
    [
        {"vectors": VECTORS},
        {"sha256": KEYS[:, :5].copy(), "vectors": VECTORS},
        {"sha256": KEYS, "vectors": VECTORS[:1].copy()},
        {"sha256": KEYS, "vectors": VECTORS.astype(np.int32)},
        {"sha256": KEYS, "vectors": np.full((2, 3), np.inf, np.float32)},
        {"sha256": KEYS.astype(np.int8), "vectors": VECTORS},
    ],
)
def test_read_text_features__refuses_other_files(tmp_path: Path, arrays: dict) -> None:
    safetensors.numpy.save_file(arrays, tmp_path / "t")
    with pytest.raises(DataError) as caught:
        read_text_features(tmp_path / "t")
    assert caught.value.code == "MV1723"


def test_read_text_features__refuses_a_missing_or_cut_file(tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(b"\x10\x00")
    for name in ("cut", "none"):
        with pytest.raises(DataError, match="MV1723"):
            read_text_features(tmp_path / name)
