"""Randomly filled releases of decoders, of the layout that the hub has them in."""

import json
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from medvlp.models.weight_parts import write_parts
from medvlp.text.file_tokenizer import FileTokenizer

ROWS = 64
PIECES = 60


def byte_pairs() -> FileTokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=PIECES, special_tokens=["<end>"], show_progress=False)
    texts = ["clear cell carcinoma", "an image of plain noise", "vertical columns"]
    tokenizer.train_from_iterator(texts, trainer)
    return FileTokenizer(tokenizer.to_str())


def write_release(folder: Path, family: str, **changed) -> None:
    """Write a decoder with a language head, its weights in several files."""
    sizes = {
        "vocab_size": ROWS,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 24,
        "rms_norm_eps": 1e-6,
    }
    config = CONFIG_MAPPING[family](**(sizes | changed))
    network = AutoModelForCausalLM.from_config(config)
    folder.mkdir()
    document = config.to_dict() | {"architectures": [type(network).__name__]}
    (folder / "config.json").write_text(json.dumps(document))
    (folder / "tokenizer.json").write_text(byte_pairs().to_json())
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    assert len(write_parts(folder / "model.safetensors", state, largest=8000)) > 2
