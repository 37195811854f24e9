"""The whole way on phantoms: a cohort, tiles with captions, knowledge, training, and a bundle.

The training is KEEP's recipe at small size: a text tower learns the phantoms' ontology, then an
image tower and that text tower learn from groups of tiles, without false negatives.

Every step leaves its result under its own name and is skipped when it is there, so a demo that was
stopped goes on where it was.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

import medvlp
from medvlp.data.pairs import read_pairs
from medvlp.errors import UsageError
from medvlp.io import check_output_folder, publish_file, write_json
from medvlp.jobs.progress import Progress
from medvlp.knowledge.build import build_graph
from medvlp.knowledge.store import write_graph
from medvlp.phantoms.cohort import CohortSlide, cohort_task, write_cohort
from medvlp.phantoms.ontology import write_ontology
from medvlp.pipelines.phantom_pairs import write_phantom_pairs
from medvlp.slides.tiling import TilingConfig
from medvlp.training.cli import main as train
from medvlp.training.run import BUNDLE_FOLDER, TEXT_TOWER_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "DemoModel",
    "DemoSettings",
    "claim_demo",
    "prepare_demo",
    "shipped_config",
    "write_demo_slides",
]

_TEXT_CONFIG = "keep/phantom_stage1.yaml"
_PAIRS_CONFIG = "keep/phantom_stage2.yaml"
_TEST_SEED_OFFSET = 500


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """Size of the demo."""

    seed: int = 0
    """Seed of slides, captions and training."""

    train_slides: int = 6
    """Slides of each diagnosis to train on."""

    test_slides: int = 2
    """Slides of each diagnosis to diagnose; no model sees them before."""

    slide_px: int = 3072
    """Side of a slide in level-0 pixels, at 0.5 micrometres per pixel."""


@dataclass(frozen=True, kw_only=True)
class DemoModel:
    """What training leaves behind.

    Attributes:
        bundle: Folder of the model bundle.
        task: The task file.
        graph: The phantoms' knowledge graph.
        test_slides: Slides that were not trained on, with their diagnoses.
        num_pairs: Tile-caption pairs that were trained on.
    """

    bundle: Path
    task: Path
    graph: Path
    test_slides: tuple[CohortSlide, ...]
    num_pairs: int


def shipped_config(name: str) -> Path:
    """Return a file of ``configs/``, from the wheel or from the source tree.

    Args:
        name: Path below ``configs``.
    """
    packaged = Path(str(resources.files(medvlp))) / "configs" / name
    return packaged if packaged.exists() else Path(medvlp.__file__).parents[1] / "configs" / name


def claim_demo(out: Path, wanted: dict[str, object]) -> None:
    """Note in a folder which demo it is for.

    Args:
        out: Folder of the demo.
        wanted: What decides the demo.

    Raises:
        UsageError: MV1110 if the folder holds another demo.
    """
    path = out / "demo.json"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != wanted:
        raise UsageError(
            "MV1110",
            f"{out} holds a demo with other settings",
            expected=f"a new folder, or a demo with {wanted}",
            hint="choose another --out",
        )
    write_json(path, wanted)


def prepare_demo(out: Path, settings: DemoSettings, say: Callable[[str], None]) -> DemoModel:
    """Make phantom slides and their knowledge graph, train both stages from scratch, write a task.

    Args:
        out: Folder of the demo.
        settings: Its size.
        say: Told what is being done, one line at a time.

    Returns:
        Where model, task and unseen slides are.

    Raises:
        UsageError: MV1110 if the folder holds a demo of another size or seed.
    """
    check_output_folder(out)
    claim_demo(out, asdict(settings))
    say("making phantom slides to train on")
    training = write_demo_slides(
        out / "slides" / "train", settings.train_slides, settings.seed, settings.slide_px
    )
    say("making phantom slides to diagnose")
    testing = write_demo_slides(
        out / "slides" / "test",
        settings.test_slides,
        settings.seed + _TEST_SEED_OFFSET,
        settings.slide_px,
    )
    pairs = out / "pairs"
    if not pairs.exists():
        say("cutting tiles and pairing them with captions")
        paths = [slide.path for slide in training]
        write_phantom_pairs(paths, pairs, TilingConfig(overlap=0.5), seed=settings.seed)
    graph = out / "knowledge" / "graph.parquet"
    if not graph.exists():
        say("building the phantoms' knowledge graph")
        graph.parent.mkdir(exist_ok=True)
        write_ontology(graph.parent / "phantoms.jsonl")
        write_graph(build_graph([graph.parent / "phantoms.jsonl"])[0], graph)
    bundle = _train(out, pairs, graph, str(settings.seed), say)
    task = out / "task.yaml"
    with publish_file(task) as partial:
        partial.write_text(yaml.safe_dump(cohort_task(), sort_keys=False), encoding="utf-8")
    return DemoModel(
        bundle=bundle,
        task=task,
        graph=graph,
        test_slides=tuple(testing),
        num_pairs=_count_pairs(pairs),
    )


def write_demo_slides(
    folder: Path, per_diagnosis: int, seed: int, slide_px: int
) -> list[CohortSlide]:
    """Write a cohort, or read what an earlier run finished.

    Args:
        folder: Where to.
        per_diagnosis: Slides of each diagnosis.
        seed: Seed of the cohort.
        slide_px: Side of a slide in level-0 pixels.
    """
    listing = folder / "cohort.json"
    if listing.exists():
        rows = json.loads(listing.read_text(encoding="utf-8"))
        return [CohortSlide(path=folder / row["slide"], diagnosis=row["diagnosis"]) for row in rows]
    with Progress(4 * per_diagnosis, "slides", label="Painting") as progress:
        slides = write_cohort(
            folder,
            slides_per_diagnosis=per_diagnosis,
            seed=seed,
            size_px=(slide_px, slide_px),
            on_slide=progress.advance,
        )
    rows = [{"slide": slide.path.name, "diagnosis": slide.diagnosis} for slide in slides]
    write_json(listing, rows)
    return slides


def _train(out: Path, pairs: Path, graph: Path, seed: str, say: Callable[[str], None]) -> Path:
    """Train both stages, each unless it is done, and return the bundle."""
    text = out / "text" / TEXT_TOWER_FOLDER
    if not text.exists():
        say("training a text tower on the knowledge graph")
        train(
            [
                *("fit", "--config", str(shipped_config(_TEXT_CONFIG)), "--seed_everything", seed),
                *("--data.graph", str(graph), "--data.captions_of", str(pairs)),
                *("--data.seed", seed, "--model.seed", seed),
                *("--run.folder", str(out / "text")),
            ]
        )
    bundle = out / "model" / BUNDLE_FOLDER
    if not bundle.exists():
        say("training an image-text model on groups of tiles")
        train(
            [
                *("fit", "--config", str(shipped_config(_PAIRS_CONFIG)), "--seed_everything", seed),
                *("--data.folder", str(pairs), "--data.graph", str(graph), "--data.seed", seed),
                *("--data.tokenizer.file", str(text / "tokenizer.json")),
                *("--model.text_from", str(text), "--model.seed", seed),
                *("--run.folder", str(out / "model")),
            ]
        )
    return bundle


def _count_pairs(folder: Path) -> int:
    return sum(len(rows) for rows in read_pairs(folder).splits.values())
