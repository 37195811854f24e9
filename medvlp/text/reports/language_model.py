"""Read attributes with a language model of one's own, whose answer must fit the schema.

The model is asked for one JSON object: side -> attribute -> answer. What it writes is data, never
trusted: anything but that object, with every attribute and a known answer, is refused.
"""

from __future__ import annotations

import json
import reprlib
from typing import TYPE_CHECKING, Any, Protocol

from safetensors import SafetensorError

from medvlp.errors import DataError, ModelError, nearest_name
from medvlp.text.reports.cleaning import check_report
from medvlp.text.reports.extraction import WHOLE, AttributeValue, ReportAttributes
from medvlp.text.reports.schema import NOT_STATED, AttributeSchema
from medvlp.text.reports.sides import SIDES

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "LanguageModel",
    "LanguageModelExtractor",
    "LocalLanguageModel",
    "extraction_prompt",
    "parse_answer",
]


class LanguageModel(Protocol):
    """What continues a text."""

    def complete(self, prompt: str) -> str:
        """Return what follows the prompt, without the prompt."""


class LanguageModelExtractor:
    """Reads the attributes of a schema by asking a language model.

    Args:
        schema: The schema.
        model: The model.
    """

    def __init__(self, schema: AttributeSchema, model: LanguageModel) -> None:
        self.schema = schema
        self._model = model

    def extract(self, report: str) -> ReportAttributes:
        """Return the answer of every attribute, without evidence.

        Args:
            report: The report.

        Raises:
            DataError: MV2300 to MV2302 if it is no English report, MV2306 if the model's answer
                does not fit the schema.
        """
        check_report(report)
        return parse_answer(
            self._model.complete(extraction_prompt(self.schema, report)), self.schema
        )


class LocalLanguageModel:
    """A causal language model in a folder, run greedily.

    Args:
        folder: Folder with weights as safetensors, configuration and tokenizer, as transformers
            saves them. Nothing is fetched, and no code of the folder is run.
        device: Where it runs.
        max_new_tokens: Most tokens of an answer.

    Raises:
        ModelError: MV2307 if the folder holds no such model.
    """

    def __init__(self, folder: Path, *, device: str = "cpu", max_new_tokens: int = 1024) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415  2 s to load

        options = {"local_files_only": True, "trust_remote_code": False}
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, **options)
            model: Any = AutoModelForCausalLM.from_pretrained(
                folder, use_safetensors=True, **options
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise ModelError(
                "MV2307",
                f"{folder} holds no causal language model: {reprlib.repr(str(error))}",
                expected="a folder with model.safetensors, config.json and a tokenizer",
            ) from error
        self._model = model.to(device).eval()
        self._max_new_tokens = max_new_tokens

    def complete(self, prompt: str) -> str:
        """Return what the model writes after the prompt, the likeliest token each time.

        Args:
            prompt: The prompt.

        Raises:
            ModelError: MV2308 if prompt and answer are longer than the model can read.
        """
        inputs = self._tokenizer(prompt, return_tensors="pt").to(self._model.device)
        inputs.pop("token_type_ids", None)
        needed = inputs["input_ids"].shape[1] + self._max_new_tokens
        limit = getattr(self._model.config, "max_position_embeddings", None)
        if limit is not None and needed > limit:
            raise ModelError(
                "MV2308",
                f"prompt and answer take {needed:,} tokens, the model reads {limit:,}",
                expected=f"at most {limit:,}",
                hint="use a model of a longer context, or lower max_new_tokens",
            )
        tokens = self._model.generate(
            **inputs,
            max_new_tokens=self._max_new_tokens,
            do_sample=False,
            pad_token_id=self._tokenizer.eos_token_id,
        )
        written = tokens[0, inputs["input_ids"].shape[1] :]
        return str(self._tokenizer.decode(written, skip_special_tokens=True))


def extraction_prompt(schema: AttributeSchema, report: str) -> str:
    """Return what the model is asked: the attributes, their answers, and the report.

    Args:
        schema: The schema.
        report: The report; it is put in as a JSON text, so that it cannot end the question.
    """
    lines = [
        f"- {name}: {attribute.title}. One of {json.dumps([*attribute.class_names, NOT_STATED])}"
        for name, attribute in schema.attributes.items()
    ]
    sides = _side_names(schema)
    return (
        "Read the radiology report and answer with one JSON object and nothing else.\n"
        f"Its keys are {json.dumps(sides)}; under each stand all attributes with one answer.\n"
        f'Answer "{NOT_STATED}" where the report does not say.\n'
        "Attributes:\n" + "\n".join(lines) + f"\nReport: {json.dumps(report)}\nAnswer:\n"
    )


def parse_answer(answer: str, schema: AttributeSchema) -> ReportAttributes:
    """Read what a model answered.

    Args:
        answer: One JSON object, white space around it allowed.
        schema: The schema.

    Raises:
        DataError: MV2306 if it is no JSON object, names a side or attribute twice, lacks one or has
            another, or gives an answer that the schema does not know.
    """
    try:
        found = json.loads(answer, object_pairs_hook=_unique_keys)
    except ValueError as error:
        raise _refusal(f"{reprlib.repr(answer)} is no JSON object: {error}") from error
    except RecursionError as error:
        raise _refusal("the answer is nested too deeply") from error
    sides = _side_names(schema)
    _check_keys(found, sides, "the answer")
    values: ReportAttributes = {}
    for side in sides:
        _check_keys(found[side], list(schema.attributes), side)
        values[side] = {
            name: AttributeValue(_checked(schema, side, name, found[side][name]))
            for name in schema.attributes
        }
    return values


def _side_names(schema: AttributeSchema) -> list[str]:
    return [WHOLE] if schema.organ is None else list(SIDES)


def _check_keys(found: object, expected: list[str], where: str) -> None:
    if not isinstance(found, dict):
        raise _refusal(f"{where} is {reprlib.repr(found)} instead of an object")
    for key in found:
        if key not in expected:
            raise _refusal(f"{where} has {key!r}{nearest_name(key, expected)}")
    missing = [key for key in expected if key not in found]
    if missing:
        raise _refusal(f"{where} lacks {missing}")


def _checked(schema: AttributeSchema, side: str, name: str, value: object) -> str:
    answers = [*schema.attributes[name].class_names, NOT_STATED]
    if not isinstance(value, str) or value not in answers:
        raise _refusal(f"{side}.{name} is {reprlib.repr(value)}, not one of {answers}")
    return value


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _refusal(what: str) -> DataError:
    return DataError(
        "MV2306",
        f"a language model's answer does not fit the schema: {what}",
        expected="one JSON object with every side, every attribute and a known answer",
        hint="use a larger model, or the rules",
    )
