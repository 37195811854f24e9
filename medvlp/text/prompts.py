"""Prompts: the names of a class put into templates, and files of prompt sets.

Letters: K classes, n names of a class, T templates, P prompt sets.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medvlp.config.documents import read_text_file
from medvlp.config.task import PLACEHOLDER
from medvlp.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from medvlp.config.documents import PlainValue

__all__ = ["PromptSet", "expand_prompts", "fill_template", "load_prompt_sets"]

_MAX_FILE_BYTES = 64 * 2**20
_FOREIGN_PLACEHOLDER = "CLASSNAME"


@dataclass(frozen=True)
class PromptSet:
    """Names for every class and the templates they go into.

    Attributes:
        names: Class name to the texts that stand for it; at least one each.
        templates: Sentences with ``{}`` where a text goes.
    """

    names: Mapping[str, tuple[str, ...]]
    templates: tuple[str, ...]

    def expand(self, class_name: str) -> tuple[tuple[str, ...], ...]:
        """Return the prompts of a class, ``[name][template]``."""
        return expand_prompts(self.names[class_name], self.templates)

    def listed(self, class_name: str) -> tuple[str, ...]:
        """Return the prompts of a class in one row, names first."""
        return tuple(prompt for row in self.expand(class_name) for prompt in row)


def fill_template(template: str, name: str) -> str:
    """Put a name into a template.

    Args:
        template: Text that holds ``{}`` exactly once.
        name: Text that takes its place; braces in it are left alone.

    Raises:
        ValueError: If the template does not hold ``{}`` exactly once.
    """
    if template.count(PLACEHOLDER) != 1:
        raise ValueError(f"template {template!r} must hold {PLACEHOLDER} exactly once")
    return template.replace(PLACEHOLDER, name)


def expand_prompts(names: Sequence[str], templates: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return every name in every template, ``[name][template]``.

    Args:
        names: Texts that stand for one class.
        templates: Sentences with ``{}``.
    """
    return tuple(tuple(fill_template(template, name) for template in templates) for name in names)


def load_prompt_sets(path: Path) -> tuple[PromptSet, ...]:
    """Read a JSON file of prompt sets as KEEP, MI-Zero and CONCH store them.

    Layout: ``{"0": {"classnames": {class: text or list}, "templates": text or list}, ...}``, or one
    such set alone. ``CLASSNAME`` in a template stands for ``{}``. Sets with whole numbers as keys
    come in the order of the numbers, others in the order of the file.

    Args:
        path: The file.

    Raises:
        ConfigError: MV1004 if the file cannot be read, MV1510 if it has another layout or
            its sets have different classes.
    """
    document = _parse_json(read_text_file(path, max_bytes=_MAX_FILE_BYTES), path)
    if not isinstance(document, dict) or not document:
        raise _refuse(path, "holds no prompt sets", "a mapping of prompt sets")
    if "classnames" in document:
        document = {"0": document}
    keys = sorted(document, key=int) if all(map(_is_number, document)) else list(document)
    sets = tuple(_read_set(document[key], path, key) for key in keys)
    for key, found in zip(keys, sets, strict=True):
        if set(found.names) != set(sets[0].names):
            raise _refuse(
                path,
                f"set {key!r} has classes {sorted(found.names)}",
                f"{sorted(sets[0].names)} as in the first set",
            )
    return sets


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _refuse(path: Path, what: str, expected: str) -> ConfigError:
    return ConfigError("MV1510", f"{path}: {what}", expected=expected)


def _parse_json(text: str, path: Path) -> PlainValue:
    def unique(pairs: list[tuple[str, PlainValue]]) -> dict[str, PlainValue]:
        result = dict(pairs)
        if len(result) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ValueError(f"key {twice!r} is given twice")
        return result

    try:
        document: PlainValue = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise _refuse(path, f"is not valid JSON ({error})", "JSON of prompt sets") from error
    return document


def _read_set(found: PlainValue, path: Path, key: str) -> PromptSet:
    if not isinstance(found, dict) or set(found) != {"classnames", "templates"}:
        keys = sorted(found) if isinstance(found, dict) else type(found).__name__
        raise _refuse(path, f"set {key!r} has {keys}", "the keys 'classnames' and 'templates'")
    classes = found["classnames"]
    if not isinstance(classes, dict) or not classes:
        raise _refuse(path, f"set {key!r} has no classes", "a mapping of class names to texts")
    names = {
        name: _texts(value, path, f"set {key!r}, class {name!r}") for name, value in classes.items()
    }
    templates = tuple(
        text.replace(_FOREIGN_PLACEHOLDER, PLACEHOLDER)
        for text in _texts(found["templates"], path, f"set {key!r}, templates")
    )
    for template in templates:
        if template.count(PLACEHOLDER) != 1:
            raise _refuse(
                path, f"set {key!r}, template {template!r}", f"{PLACEHOLDER} exactly once"
            )
    return PromptSet(names, templates)


def _texts(value: PlainValue, path: Path, place: str) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value]
    good = tuple(text for text in texts if isinstance(text, str) and text.strip())
    if not texts or len(good) < len(texts):
        raise _refuse(
            path, f"{place} has a text that is blank or none", "a text or a list of texts"
        )
    return good
