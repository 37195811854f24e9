"""Every code that the program can raise is explained, and every explanation belongs to a code."""

import ast
import re
from pathlib import Path

from medvlp.error_catalog import load_catalog

CATALOG = load_catalog()
PACKAGE = Path(__file__).parent.parent / "medvlp"


def codes_in_source() -> set[str]:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if path.name == "error_catalog.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.update(re.findall(r"^MV\d{4}$", node.value))
    return found


def test_catalog__explains_every_code_that_is_raised() -> None:
    assert codes_in_source() - set(CATALOG) == set()


def test_catalog__holds_no_code_that_nothing_raises() -> None:
    assert set(CATALOG) - codes_in_source() == set()


def test_catalog__is_written_in_full_sentences() -> None:
    for code, text in CATALOG.items():
        assert re.fullmatch(r"MV\d{4}", code)
        assert text.title
        assert not text.title.endswith(".")
        assert text.meaning.endswith(".")
        assert text.remedy.endswith(".")
