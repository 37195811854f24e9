"""Stored texts are found by the same letters; a text that is not there is named."""

import numpy as np
import pytest
import safetensors.numpy

from medvlp.errors import ModelError
from medvlp.models.volume.stored_texts import StoredTexts, read_stored_texts

TEXTS = ["a simple cyst", "a solid mass", "no finding"]
VECTORS = np.array([[3, 4], [0, -2], [1, 0]], dtype=np.float32)


def test_embed__gives_unit_vectors_in_the_order_that_was_asked():
    stored = StoredTexts("m", TEXTS, VECTORS)
    found = stored.embed(["no finding", "a simple cyst", "no finding"])
    np.testing.assert_allclose(found, [[1, 0], [0.6, 0.8], [1, 0]], atol=1e-7)
    assert found.dtype == np.float32
    assert stored.dim == 2


def test_embed__names_what_is_not_stored_and_the_nearest_text():
    stored = StoredTexts("m", TEXTS, VECTORS)
    with pytest.raises(ModelError, match=r"2 of 3 texts: 'a solid mas' \(did you mean 'a solid"):
        stored.embed(["a solid mas", "no finding", "qqq"])
    with pytest.raises(ModelError) as caught:
        stored.embed(["A simple cyst"])
    assert caught.value.code == "MV1447"
    with pytest.raises(ValueError, match="empty"):
        stored.embed([])


@pytest.mark.parametrize(
    ("texts", "vectors", "phrase"),
    [
        (TEXTS, VECTORS[:2], r"3 texts with vectors of shape \(2, 2\)"),
        (TEXTS, VECTORS[:, 0], r"shape \(3,\)"),
        ([], np.ones((0, 2)), "one vector for each"),
        (["a", "b", "a"], VECTORS, "'a' stands more than once"),
        (TEXTS, VECTORS * [[1], [0], [1]], "'a solid mass' has length 0"),
        (TEXTS, VECTORS * [[1], [1], [np.nan]], "'no finding' has length nan"),
    ],
)
def test_stored_texts__refuse_what_is_no_table(texts, vectors, phrase):
    with pytest.raises(ModelError, match=phrase) as caught:
        StoredTexts("m", texts, vectors)
    assert caught.value.code == "MV1446"


def test_write__is_read_back_the_same(tmp_path):
    StoredTexts("m", [*TEXTS[:2], 'quotes " and µ'], VECTORS).write(tmp_path / "t.safetensors")
    again = read_stored_texts(tmp_path / "t.safetensors", "other")
    assert (again.name, again.texts) == ("other", (*TEXTS[:2], 'quotes " and µ'))
    np.testing.assert_allclose(again.embed([TEXTS[1]]), [[0, -1]], atol=1e-7)


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        (None, "MV1414"),
        ({"texts": "["}, "MV1414"),
        ({"texts": "[" * 100_000}, "MV1414"),
        ({"texts": "7"}, "MV1446"),
    ],
)
def test_read_stored_texts__refuses_a_damaged_list(tmp_path, metadata, code):
    path = tmp_path / "t.safetensors"
    safetensors.numpy.save_file({"embeddings": VECTORS}, path, metadata=metadata)
    with pytest.raises(ModelError) as caught:
        read_stored_texts(path, "m")
    assert caught.value.code == code
    path.write_bytes(b"no")
    with pytest.raises(ModelError) as caught:
        read_stored_texts(path, "m")
    assert caught.value.code == "MV1414"
