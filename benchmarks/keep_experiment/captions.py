"""How captions and prompts are written: templates of the committed file around a class's words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medvlp.config.strict import StrictModel, load_yaml_model
from medvlp.text.prompts import fill_template

if TYPE_CHECKING:
    import numpy as np

    from benchmarks.keep_experiment.concepts import ClassTexts, Condition

__all__ = ["CaptionsFile", "all_captions", "class_prompts", "load_captions", "write_caption"]

_FILE = Path(__file__).with_name("captions.yaml")


class CaptionsFile(StrictModel):
    """Templates of captions and prompts.

    Attributes:
        templates: Of captions; ``{}`` is a name, ``{preparation}`` what the set was made with.
        preparations: Set to its preparation.
        prompt_templates: Of prompts.
    """

    templates: tuple[str, ...]
    preparations: dict[str, str]
    prompt_templates: tuple[str, ...]

    def of_set(self, set_name: str) -> tuple[str, ...]:
        """Return the templates of a set's captions, its preparation filled in."""
        preparation = self.preparations[set_name]
        return tuple(text.replace("{preparation}", preparation) for text in self.templates)


def load_captions(file: Path = _FILE) -> CaptionsFile:
    """Read the file of templates."""
    return load_yaml_model(file, CaptionsFile)


def all_captions(file: CaptionsFile, set_name: str, texts: ClassTexts) -> tuple[str, ...]:
    """Return every caption that a class may get.

    Args:
        file: The templates.
        set_name: The set.
        texts: The class's words.
    """
    templates = file.of_set(set_name)
    return tuple(fill_template(template, name) for name in texts.names for template in templates)


def write_caption(
    file: CaptionsFile, set_name: str, texts: ClassTexts, rng: np.random.Generator
) -> str:
    """Draw a caption of a tile: any name in any template.

    Args:
        file: The templates.
        set_name: The set.
        texts: The class's words.
        rng: Where randomness comes from; always gives two draws.
    """
    templates = file.of_set(set_name)
    name = texts.names[int(rng.integers(len(texts.names)))]
    return fill_template(templates[int(rng.integers(len(templates)))], name)


def class_prompts(
    file: CaptionsFile, texts: ClassTexts, condition: Condition
) -> tuple[tuple[str, ...], ...]:
    """Return the prompts of a class, ``[text][template]``.

    Args:
        file: The templates.
        texts: The class's words.
        condition: Which of its words.
    """
    if condition == "definitions":
        return ((texts.definition,),)
    words = {
        "names": texts.names,
        "synonyms": texts.held_out,
        "parents": (texts.parent_name,),
    }[condition]
    return tuple(
        tuple(fill_template(template, word) for template in file.prompt_templates) for word in words
    )
