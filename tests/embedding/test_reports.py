"""Vectors of reports in a file: every text and variant once, as the encoder gives it."""

import hashlib

import numpy as np
import pytest
from safetensors.numpy import load_file

from medvlp.data.scan_texts import read_text_features, variants_of
from medvlp.embedding.reports import embed_reports
from medvlp.errors import DataError

REPORTS = [
    "Findings: A cyst. No stone. No mass. Normal ureter.\nImpression: A cyst.",
    "Normal kidney.",
    "",
    "Normal kidney.",
]


class Hashes:
    name = "hashes"

    def __init__(self):
        self.asked: list[str] = []

    def embed(self, texts):
        self.asked += texts
        rows = [np.frombuffer(hashlib.sha256(t.encode()).digest()[:6], np.uint8) for t in texts]
        return np.stack(rows).astype(np.float32) / 255


class Counter:
    done = 0

    def advance(self, count):
        self.done += count


def test_embed_reports__writes_the_vector_of_every_variant(tmp_path):
    encoder, progress = Hashes(), Counter()
    written = embed_reports(REPORTS, encoder, tmp_path / "f.safetensors", progress=progress)
    texts = {text for report in REPORTS if report for text in variants_of(report)}
    assert len(texts) > 3
    assert sorted(encoder.asked) == sorted(texts)
    assert (written.num_texts, written.dim, progress.done) == (len(texts), 6, len(texts))
    found = read_text_features(tmp_path / "f.safetensors")
    for text in texts:
        np.testing.assert_array_equal(found.of(text), Hashes().embed([text])[0])
    keys = load_file(tmp_path / "f.safetensors")["sha256"]
    expected = {hashlib.sha256(text.encode()).digest() for text in texts}
    assert {row.tobytes() for row in keys} == expected


def test_embed_reports__keeps_fewer_bits_where_asked_to(tmp_path):
    embed_reports(REPORTS, Hashes(), tmp_path / "f.safetensors", precision="float16")
    assert load_file(tmp_path / "f.safetensors")["vectors"].dtype == np.float16


def test_embed_reports__refuses_reports_without_words(tmp_path):
    with pytest.raises(DataError, match="MV1758"):
        embed_reports(["", " "], Hashes(), tmp_path / "f.safetensors")
    assert list(tmp_path.iterdir()) == []
