"""The command line ``medvlp``: commands load their code when they run, so that help is instant."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError, Parameter

from medvlp import __version__
from medvlp.errors import MedvlpError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EXIT_FAILED", "EXIT_OK", "EXIT_USAGE", "build_app", "main"]

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
_EXIT_INTERRUPTED = 130

# Name -> (where the function is, one line of help).
_COMMANDS = {
    "demo": ("demo:demo", "Run the whole way on built-in synthetic slides."),
    "tile": ("tile:tile", "Find tissue and plan the tiles of slides."),
    "embed": ("embed:embed", "Encode slides and CT scans to feature files."),
    "zero-shot": (
        "zero_shot:zero_shot",
        "Diagnose slides and CT scans from the prompts of a task.",
    ),
    "calibrate": ("calibrate:calibrate", "Fit confidences or a tile threshold on labelled cases."),
    "evaluate": ("evaluate:evaluate", "Judge the predictions of a run against labels."),
    "probe": ("probe:probe", "Fit and judge small heads on features: classes or survival."),
    "knowledge": ("knowledge:app", "Build, show and search the knowledge graph; write prompts."),
    "train": ("train:train", "Train a model from a configuration (LightningCLI)."),
    "status": ("status:status", "Tell how far trainings have come."),
    "submit": ("submit:submit", "Queue a training on a cluster, and tell what it will need."),
    "import": ("import_:import_release", "Convert a released model of another program."),
    "export": ("export:export", "Write a model bundle in the layout of another program."),
    "inspect": ("inspect:inspect", "Tell what a file or folder is and what it holds."),
    "doctor": ("doctor:doctor", "Check what is installed, what works and what would be slow."),
    "explain": ("explain:explain", "Explain an error code such as MV1203."),
}


def build_app() -> App:
    """Return the command-line application; the code of a command is imported when it runs."""
    app = App(
        name="medvlp",
        help="Pretrain medical vision-language models with knowledge; use them for zero-shot "
        "diagnosis. For research use only.",
        version=__version__,
        result_action="return_value",
        default_parameter=Parameter(negative_iterable=()),  # lists have no --empty-... flags
    )
    for name, (target, text) in _COMMANDS.items():
        # The training command hands everything, --help too, to LightningCLI.
        options: dict[str, list[str]] = {"help_flags": []} if name == "train" else {}
        app.command(f"medvlp.cli.commands.{target}", name=name, help=text, **options)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after the program's name; those of the process by default.

    Returns:
        Exit code: 0 all done, 1 some cases failed, 2 wrong usage or configuration, 130 interrupted.
    """
    # Threads that wait without spinning: on shared cores spinning makes training many times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        result = build_app()(words, exit_on_error=False, print_error=True)
    except CycloptsError:
        return EXIT_USAGE
    except MedvlpError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; run the same command again to go on\n")
        return _EXIT_INTERRUPTED
    return result if isinstance(result, int) else EXIT_OK
