"""Folders of report generators: every bit comes back, LoRA lies apart, releases are not copied."""

import json
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file

from medvlp.errors import ModelError
from medvlp.models.decoder_folder import save_decoder
from medvlp.models.report_generator import ReportGenerator
from medvlp.models.report_generator_folder import (
    REPORT_GENERATOR_FILE,
    load_report_generator,
    load_writing_decoder,
    save_report_generator,
)
from medvlp.text.file_tokenizer import FileTokenizer
from medvlp.text.tokenizer import train_tokenizer
from tests.models.report_generators import (
    LORA,
    REPORTS,
    TOKENIZER,
    WRITING,
    boxes,
    card,
    disturb,
    generator,
    tokens,
)
from tests.models.test_decoder_folder import CARD


def trained(*, lora: bool) -> ReportGenerator:
    model = generator()
    if lora:
        model.decoder.add_lora(LORA)
        disturb(model.adapter_state().values())
    disturb([model.projection.weight, model.projection.bias])
    return model.eval()


def same(first: ReportGenerator, again: ReportGenerator) -> bool:
    with torch.no_grad():
        pairs = (model.report_logits(boxes(), tokens())[0] for model in (first, again))
        return torch.equal(*pairs) and first.write_reports(boxes(), WRITING) == again.write_reports(
            boxes(), WRITING
        )


def write_release(folder) -> None:
    """Write a released language model: that of ``generator()``, with the end of a text stated."""
    network = generator().decoder.network
    network.config.eos_token_id = TOKENIZER.end_id
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(TOKENIZER.to_json())


@pytest.mark.parametrize("lora", [False, True])
def test_folder__brings_back_every_bit_with_the_language_model_in_it(tmp_path, lora):
    model = trained(lora=lora)
    given = card(lora=LORA if lora else None)
    meta = save_report_generator(tmp_path / "kept", model, given)
    loaded, read = load_report_generator(tmp_path / "kept")
    assert read == meta
    assert (read.writing, read.prompt) == (WRITING, model.prompt)
    assert same(model, loaded)
    assert loaded.state_dict().keys() == model.state_dict().keys()
    save_report_generator(tmp_path / "again", loaded, given)
    for file in set(meta.files) - {"decoder/config.json"}:  # the library adds a precision to it
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "kept" / file).read_bytes()


def test_folder__keeps_lora_apart_and_the_language_model_as_it_was(tmp_path):
    save_report_generator(tmp_path / "kept", trained(lora=True), card(lora=LORA))
    files = sorted(p.relative_to(tmp_path / "kept").as_posix() for p in tmp_path.rglob("*.*"))
    decoder = ["decoder/config.json", "decoder/model.safetensors", "decoder/tokenizer.json"]
    own = ["adapter.safetensors", "model.safetensors", REPORT_GENERATOR_FILE]
    assert [f for f in files if f != "."] == sorted([*own[:1], *decoder, *own[1:]])
    assert all(".lora_" in name for name in load_file(tmp_path / "kept/adapter.safetensors"))
    parts = {name.split(".")[0] for name in load_file(tmp_path / "kept/model.safetensors")}
    assert parts == {"volume_tower", "projection"}
    kept = load_file(tmp_path / "kept/decoder/model.safetensors")
    plain = generator().decoder.network.state_dict()
    assert kept.keys() == plain.keys()
    assert all(torch.equal(kept[name], plain[name]) for name in plain)


def test_folder__of_a_release_needs_that_release_and_no_other(tmp_path):
    write_release(tmp_path / "release")
    model = trained(lora=True)
    save_report_generator(tmp_path / "kept", model, card(lora=LORA, release="release"))
    assert not (tmp_path / "kept" / "decoder").exists()
    loaded, meta = load_report_generator(tmp_path / "kept", decoder_from=tmp_path / "release")
    assert meta.decoder == "release"
    assert same(model, loaded)
    with pytest.raises(ModelError, match=r"MV1782: .* does not hold its language model"):
        load_report_generator(tmp_path / "kept")
    weights = load_file(tmp_path / "release/model.safetensors")
    weights["lm_head.weight"][0, 0] += 1
    save_file(weights, tmp_path / "release/model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"MV1782: .* is another than it was trained with"):
        load_report_generator(tmp_path / "kept", decoder_from=tmp_path / "release")


def test_load__refuses_a_second_language_model_and_files_that_changed(tmp_path):
    save_report_generator(tmp_path / "kept", trained(lora=True), card(lora=LORA))
    with pytest.raises(ModelError, match=r"MV1782: .* is given beside it"):
        load_report_generator(tmp_path / "kept", decoder_from=tmp_path)
    adapter = tmp_path / "kept/adapter.safetensors"
    state = load_file(adapter)
    name, tensor = state.popitem()
    save_file(state, adapter)
    with pytest.raises(ModelError, match="MV1404"):
        load_report_generator(tmp_path / "kept")
    forge(tmp_path / "kept", adapter)
    with pytest.raises(ModelError, match=r"MV1409: adapter.safetensors .* does not fit"):
        load_report_generator(tmp_path / "kept")
    save_file(state | {name: tensor[:1, :1].contiguous()}, adapter)
    forge(tmp_path / "kept", adapter)
    with pytest.raises(ModelError, match=r"MV1409: .* instead of"):
        load_report_generator(tmp_path / "kept")
    adapter.unlink()
    with pytest.raises(ModelError, match="MV1403"):
        load_report_generator(tmp_path / "kept")
    with pytest.raises(ModelError, match=r"MV1403: .*report_generator.json does not exist"):
        load_report_generator(tmp_path)


def forge(folder, file) -> None:
    """Make the description agree with a file that was changed."""
    from medvlp.io import content_sha256

    meta = json.loads((folder / REPORT_GENERATOR_FILE).read_text())
    meta["files"][file.name] = content_sha256(file)
    (folder / REPORT_GENERATOR_FILE).write_text(json.dumps(meta))


def test_load__refuses_a_description_that_is_none(tmp_path):
    save_report_generator(tmp_path / "kept", trained(lora=False), card())
    path = tmp_path / "kept" / REPORT_GENERATOR_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prompts": []}))
    with pytest.raises(ModelError, match=r"MV1407: .*prompts"):
        load_report_generator(tmp_path / "kept")


def test_save__refuses_weights_that_are_no_numbers_and_leaves_nothing(tmp_path):
    model = trained(lora=True)
    next(iter(model.adapter_state().values())).fill_(float("nan"))
    with pytest.raises(ModelError, match="MV1405"):
        save_report_generator(tmp_path / "kept", model, card(lora=LORA))
    assert not list(tmp_path.iterdir())


def test_writing_decoder__is_a_causal_release_with_an_end(tmp_path):
    write_release(tmp_path / "release")
    decoder, tokenizer = load_writing_decoder(tmp_path / "release")
    assert tokenizer.end_id == TOKENIZER.end_id
    assert decoder.vocab_size == TOKENIZER.vocab_size
    config = tmp_path / "release/config.json"
    settings = json.loads(config.read_text())
    for ends, why in ((None, "eos_token_id None"), (9000, "no token 9000"), ([1, 2], None)):
        config.write_text(json.dumps(settings | {"eos_token_id": ends}))
        if why is None:
            assert load_writing_decoder(tmp_path / "release")[1].end_id == 1
            continue
        with pytest.raises(ModelError, match=f"MV1781: .*{why}"):
            load_writing_decoder(tmp_path / "release")
    config.write_text(json.dumps(settings))
    wordpiece = train_tokenizer(list(REPORTS), 40).to_json()
    (tmp_path / "release/tokenizer.json").write_text(wordpiece)
    with pytest.raises(ModelError, match=r"MV1781: .*loses spaces"):
        load_writing_decoder(tmp_path / "release")


def test_writing_decoder__is_no_text_tower(tmp_path):
    tokenizer = FileTokenizer(TOKENIZER.to_json())
    save_decoder(tmp_path / "tower", generator().decoder, tokenizer, CARD, max_tokens=32)
    with pytest.raises(ModelError, match=r"MV1781: .*see both ways"):
        load_writing_decoder(tmp_path / "tower")
