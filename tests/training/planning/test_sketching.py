"""Networks are sketched as the settings say, and what is not known is named."""

import pytest
import torch

from medvlp.models.flops import UnknownValues
from medvlp.training.planning.memory import Precision, count_activations
from medvlp.training.planning.parsing import parse_run
from medvlp.training.planning.sketches import BERT_PIECES
from medvlp.training.planning.sketching import sketch_run
from tests.training.conftest import CONFIGS, SMOKE


def sketch(*words: str, config=SMOKE):
    return sketch_run(parse_run(["fit", "--config", str(config), *words]))


def test_sketch__lies_on_the_meta_device():
    found = sketch()
    assert {t.device.type for n in found.networks for t in n.parameters()} == {"meta"}
    assert found.embed_dim == 16
    assert found.batch_bytes == 3 * 32 * 32 + 16 * 9
    assert found.step_flops == 3 * sum(found.flops_parts.values())


def test_sketch__runs_a_batch_of_any_size():
    found = sketch()
    with torch.device("meta"):
        call = found.forward(5)
    with torch.no_grad(), UnknownValues():
        output = call()
    assert output.image.shape == output.text.shape == (5, 16)


def test_sketch__holds_weights_of_the_objective():
    assert sum(
        p.numel() for p in sketch("--model.objective=siglip").parts["objective"].parameters()
    )
    assert "objective" not in sketch().parts


@pytest.mark.parametrize(
    ("file", "text", "note"),
    [
        (None, "", "at most 200 pieces, trained on the captions"),
        ("none.json", None, "is not here: 30522 pieces assumed"),
        ("damaged.json", "{", "MV1410"),
        ("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n", ""),
    ],
)
def test_sketch__takes_the_tokenizer_that_is_there(file, text, note, tmp_path):
    words = []
    if file:
        words = [f"--data.tokenizer.file={tmp_path / file}"]
    if text is not None and file:
        (tmp_path / file).write_text(text)
    found = sketch(*words)
    pieces = found.parts["text tower"].bert.embeddings.word_embeddings.num_embeddings
    assert pieces == {None: 200, "vocab.txt": 7}.get(file, BERT_PIECES)
    assert any(note in line for line in found.notes)


def test_sketch__is_none_of_a_recipe_that_needs_its_data():
    assert sketch(config=CONFIGS / "renalclip" / "classes_small.yaml") is None


def test_sketch__forgets_activations_where_asked():
    found = sketch("--model.encoder.image.architecture=test_vit", "--data.inputs.input_px=160")
    kept = count_activations(found, Precision(4, torch.bfloat16), 3)
    assert 0 < kept.recomputed < kept.kept
