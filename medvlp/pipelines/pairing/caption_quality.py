"""Which captions can be learnt from, and one spelling for those that say the same."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from rapidfuzz.utils import default_process

if TYPE_CHECKING:
    from medvlp.pipelines.pairing.settings import CaptionQuality

__all__ = ["caption_fault", "clean_caption", "normalize_caption"]


def clean_caption(text: str) -> str:
    """Return a caption with single spaces and without characters that cannot be seen.

    Args:
        text: As the source has it.
    """
    visible = "".join(
        " " if unicodedata.category(char) in {"Cc", "Zl", "Zp"} else char
        for char in text
        if unicodedata.category(char) not in {"Cf", "Cs", "Co"}
    )
    return " ".join(visible.split())


def normalize_caption(text: str) -> str:
    """Return what two captions share that differ in case, marks and spaces only.

    Args:
        text: A caption.
    """
    return " ".join(default_process(unicodedata.normalize("NFKC", text)).split())


def caption_fault(text: str, settings: CaptionQuality) -> tuple[str, str]:
    """Say what is wrong with a caption.

    Args:
        text: A cleaned caption.
        settings: What is asked of captions.

    Returns:
        A reason and its measure, such as ``("caption too short", "1 word")``; empty where the
        caption is good.
    """
    if not text:
        return "no caption", ""
    if len(text) > settings.max_characters:
        return "caption too long", f"{len(text)} characters"
    letters = [char for char in text if char.isalpha()]
    if not letters:
        return "caption without letters", text[:40]
    known = sum(_is_of_scripts(char, settings.scripts) for char in letters)
    if known < settings.min_script_share * len(letters):
        return "caption in another script", f"{known} of {len(letters)} letters"
    words = len(normalize_caption(text).split())
    if words < settings.min_words:
        return "caption too short", f"{words} words"
    return "", ""


@lru_cache(maxsize=4096)
def _is_of_scripts(char: str, scripts: tuple[str, ...]) -> bool:
    name = unicodedata.name(char, "")
    if name == "MICRO SIGN":
        return True
    return any(name.startswith(f"{script} ") or f" {script} " in name for script in scripts)
