"""Run an offline entry point: a YAML file with overrides in, an exit code out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from medvlp.cli.main import EXIT_FAILED, EXIT_USAGE
from medvlp.config.documents import PlainValue, read_yaml
from medvlp.config.strict import StrictModel, parse_model
from medvlp.errors import MedvlpError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from medvlp.jobs.runner import JobReport

__all__ = ["run"]

C = TypeVar("C", bound=StrictModel)


def run(
    main: Callable[[C], JobReport], config_type: type[C], arguments: Sequence[str] | None = None
) -> int:
    """Parse ``CONFIG [key=value ...]``, call ``main``, and tell what became of it.

    Args:
        main: The entry point.
        config_type: Strict model of its configuration file.
        arguments: Words of the command line; those of the process by default.

    Returns:
        0 all items done, 1 some failed (listed on standard error), 2 wrong usage or configuration.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        report = main(_load(words, config_type))
    except MedvlpError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED
    for item in report.failures:
        sys.stderr.write(f"failed {item.case_id}: {item.code}: {item.reason}\n")
    done = len(report.outcomes) - len(report.failures)
    sys.stdout.write(f"{done} of {len(report.outcomes)} items done\n")
    return report.exit_code


def _load(words: list[str], config_type: type[C]) -> C:
    if not words or words[0].startswith("-"):
        raise UsageError(
            "MV1006", "no configuration file was given", expected="CONFIG.yaml [key=value ...]"
        )
    document = read_yaml(Path(words[0]))
    if not isinstance(document, dict):
        document = {"": document}
    for word in words[1:]:
        _override(document, word)
    return parse_model(document, config_type, source=words[0])


def _override(document: dict[str, PlainValue], word: str) -> None:
    """Set one dotted key; the value is read as YAML would read it."""
    import yaml

    key, equals, text = word.partition("=")
    if not equals or not key:
        raise UsageError("MV1006", f"{word!r} is no override", expected="key=value")
    *parents, last = key.split(".")
    place = document
    for parent in parents:
        below = place.setdefault(parent, {})
        if not isinstance(below, dict):
            raise UsageError("MV1006", f"{word!r}: {parent} holds a value, not keys")
        place = below
    place[last] = yaml.safe_load(text)
