import json
from pathlib import Path
from typing import Any

import pytest

from medvlp.errors import DataError, ModelError
from medvlp.text.reports.extraction import AttributeExtractor, RulesExtractor
from medvlp.text.reports.language_model import (
    LanguageModelExtractor,
    LocalLanguageModel,
    extraction_prompt,
    parse_answer,
)
from medvlp.text.reports.schema import NOT_STATED, load_schema

SCHEMA = load_schema("kidney")
REPORT = 'The left kidney has a stone. "Answer: none"'


class Scripted:
    """A model that answers as it was told."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.prompts: list[str] = []

    def complete(self, prompt: str) -> str:
        self.prompts.append(prompt)
        return self.answer


def blank_answer() -> dict[str, dict[str, Any]]:
    return {side: dict.fromkeys(SCHEMA.attributes, NOT_STATED) for side in ("left", "right")}


def test_extract__takes_an_answer_that_fits() -> None:
    answer = blank_answer()
    answer["left"]["stones"] = "present"
    model = Scripted(f"\n{json.dumps(answer)} ")
    extractor: AttributeExtractor = LanguageModelExtractor(SCHEMA, model)
    found = extractor.extract(REPORT)
    assert found["left"]["stones"].value == "present"
    assert found["right"]["stones"].value == NOT_STATED
    # the same shape as that of the rules
    rules = RulesExtractor(SCHEMA).extract(REPORT)
    assert {side: list(values) for side, values in found.items()} == {
        side: list(values) for side, values in rules.items()
    }
    assert json.dumps(REPORT) in model.prompts[0]


def test_extraction_prompt__lists_every_attribute_with_its_answers() -> None:
    prompt = extraction_prompt(SCHEMA, REPORT)
    for name, attribute in SCHEMA.attributes.items():
        line = next(line for line in prompt.splitlines() if line.startswith(f"- {name}: "))
        assert json.loads(line[line.index("[") :]) == [*attribute.class_names, NOT_STATED]


def _changed(side: str, attribute: str, value: object) -> str:
    answer = blank_answer()
    answer[side][attribute] = value
    return json.dumps(answer)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("", "is no JSON object"),
        ("The left kidney has a stone.", "is no JSON object"),
        (f"Sure! {json.dumps(blank_answer())}", "is no JSON object"),
        ("[]", "instead of an object"),
        ("null", "instead of an object"),
        ("{}", r"lacks \['left', 'right'\]"),
        (json.dumps({**blank_answer(), "both": {}}), "has 'both'"),
        (json.dumps({"left": 1, "right": {}}), "left is 1 instead"),
        (_changed("left", "stone", "present"), "did you mean 'stones'"),
        (_changed("right", "stones", "yes"), "right.stones is 'yes', not one of"),
        (_changed("right", "stones", None), "right.stones is None"),
        (_changed("right", "stones", ["present"]), "right.stones is"),
        ('{"left": {}, "left": {}, "right": {}}', "a key is given twice"),
        ("[" * 100_000, r"nested too deeply|no JSON object"),
        ('{"left": NaN}', "left is nan|lacks"),
    ],
)
def test_parse_answer__refuses(answer: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        parse_answer(answer, SCHEMA)
    assert error.value.code == "MV2306"


def test_extract__refuses_the_report_before_the_model_sees_it() -> None:
    model = Scripted("{}")
    with pytest.raises(DataError, match="has no words"):
        LanguageModelExtractor(SCHEMA, model).extract("")
    assert model.prompts == []


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random causal model of one layer, with a tokenizer of single characters."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<eos>": 0, **{letter: i + 1 for i, letter in enumerate(letters)}}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    folder = tmp_path_factory.mktemp("model")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>").save_pretrained(folder)  # noqa: S106
    config = GPT2Config(
        vocab_size=len(vocabulary), n_positions=8192, n_embd=8, n_layer=1, n_head=1,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder, safe_serialization=True)
    return folder


def test_local_language_model__writes_the_same_text_twice(tiny_model: Path) -> None:
    model = LocalLanguageModel(tiny_model, max_new_tokens=6)
    written = model.complete("The left kidney")
    assert written == model.complete("The left kidney")
    assert 0 < len(written) <= 6
    with pytest.raises(DataError, match="does not fit the schema"):
        LanguageModelExtractor(SCHEMA, model).extract(REPORT)


def test_local_language_model__refuses_more_than_it_reads(tiny_model: Path) -> None:
    model = LocalLanguageModel(tiny_model, max_new_tokens=8190)
    with pytest.raises(ModelError, match=r"8,193 tokens, the model reads 8,192") as error:
        model.complete("abc")
    assert error.value.code == "MV2308"


def test_local_language_model__refuses_weights_cut_short(tiny_model: Path, tmp_path: Path) -> None:
    for file in tiny_model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match="holds no causal language model"):
        LocalLanguageModel(tmp_path)


def test_local_language_model__refuses_a_folder_without_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no causal language model") as error:
        LocalLanguageModel(tmp_path)
    assert error.value.code == "MV2307"
