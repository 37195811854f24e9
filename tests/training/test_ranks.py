"""A run on several processes is the run on one: the same global batches, losses and figures."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from medvlp.knowledge.store import write_graph
from tests.data.report_files import write_reports
from tests.training.conftest import CONFIGS, SMOKE
from tests.training.forked_runs import ForkedRuns
from tests.training.knowledge_texts import cancer_graph
from tests.training.phantom_radiographs import write_phantoms
from tests.training.scan_folders import write_crops_folder

pytestmark = pytest.mark.timeout(1800)  # many runs, on a machine that may be busy

COMMON = (
    *("--trainer.accelerator=cpu", "--run.wandb=off", "--run.progress=false", "--run.trace=true"),
    *("--trainer.max_epochs=2", "--trainer.max_steps=-1", "--trainer.log_every_n_steps=1"),
    *("--data.num_workers=0", "--trainer.precision=32-true"),
    # a step that is small where the gradient is: a gradient of another size would be seen
    *("--model.optimizer.epsilon=0.1", "--model.optimizer.learning_rate=0.05"),
)
# dropout draws its numbers by process; SimCSE must have some
TEXT = ("width=16", "layers=1", "heads=2", "feedforward=32", "dropout=1e-9")
NAMES = (
    *("pairs-clip", "pairs-grouped", "knowledge", "report-text-mlm", "report-text-simcse"),
    *("scan-attributes", "scan-classes", "scans", "scan-reports"),
    *("radiographs", "radiograph-classes", "radiograph-masks"),
)


@dataclass(frozen=True)
class Case:
    """A recipe in small.

    Attributes:
        config: The configuration.
        words: Its further settings.
        figure: A figure of validation that must be among those compared.
    """

    config: Path
    words: tuple[str, ...]
    figure: str


@dataclass(frozen=True)
class Trained:
    """What a run leaves to be compared."""

    samples: list[list[str]]
    losses: list[float]
    figures: list[dict[str, float]]
    weights: dict[str, torch.Tensor]


def cases(folder: Path, pairs: Path) -> dict[str, Case]:
    """Return small trainings of every recipe, on data in a folder."""
    return {
        "pairs-clip": clip(pairs, "--model.optimizer.learning_rate=0.001"),
        "pairs-grouped": clip(
            pairs,
            *("--model.objective=grouped", "--model.freeze.image_tower_epochs=1"),
            "--model.freeze.text_tower_epochs=all",
        ),
        **of_texts(folder),
        **of_scans(folder),
        **of_radiographs(folder),
    }


def clip(pairs: Path, *more: str) -> Case:
    words = (f"--data.folder={pairs}", "--data.batch_size=8", "--model.objective=clip")
    words = (*words, "--model.optimizer.learning_rate=0.01", *more)
    return Case(SMOKE, words, "validation/recall_1")


def of_texts(folder: Path) -> dict[str, Case]:
    table = write_reports(folder / "reports.csv", 20)
    graph = write_graph(cancer_graph(), folder / "graph.parquet")
    text = tuple(f"--model.text.{each}" for each in TEXT)
    knowledge = (
        *(f"--data.graph={graph}", "--data.captions_of=null", "--data.max_tokens=24"),
        *("--data.groups.groups_per_batch=4", "--data.groups.samples_per_group=4"),
        *("--data.tokenizer.vocab_size=200", "--data.validation_share=0.2"),
        *("--model.embed_dim=16", "--model.text.max_tokens=24", "--model.text.positions=24"),
        "--model.text.pooling=mean",
    )
    # 36 reports to train on; 3 to validate, of which the second of two batches has one
    reports = (f"--data.source.file={table}", "--data.batch_size=6", *text)
    reports = (*reports, "--data.tokenizer.vocab_size=300", "--data.validation_share=0.15")
    renal = CONFIGS / "renalclip"
    simcse = renal / "report_text_small_simcse.yaml"
    return {
        "knowledge": Case(
            *(CONFIGS / "keep" / "stage1.yaml", (*knowledge, *text), "validation/mean_ap")
        ),
        "report-text-mlm": Case(renal / "report_text_small.yaml", reports, "validation/perplexity"),
        "report-text-simcse": Case(simcse, reports, "validation/cmc_1"),
    }


def of_scans(folder: Path) -> dict[str, Case]:
    # 28 kidneys to train on, 10 to validate
    crops = (f"--data.folder={write_crops_folder(folder / 'scans', 19)}", "--data.batch_size=8")
    crops = (*crops, "--data.augment=null")
    tower = f"--model.image_from={folder / 'scan-attributes' / '1' / 'image_tower'}"
    small = ("width=4", "depth=10")
    text = tuple(f"--model.encoder.text.{each}" for each in TEXT)
    aligned = (*crops, *(f"--model.encoder.image.{each}" for each in small), *text)
    sizes = ("width=32", "layers=1", "heads=2", "feedforward=64")
    writing = (
        *(*crops, tower, "--model.judged_reports=5", "--model.decoder.max_tokens=96"),
        *(f"--model.decoder.sizes.{each}" for each in sizes),
        "--model.writing.max_tokens=48",
    )
    renal = CONFIGS / "renalclip"
    return {
        "scan-attributes": Case(
            renal / "attributes_small.yaml",
            (*crops, *(f"--model.image.{each}" for each in small), "--model.class_weights=inverse"),
            "validation/balanced_accuracy",
        ),
        "scan-classes": Case(
            renal / "classes_small.yaml",
            (*crops, tower, "--model.balanced_loss=true", "--model.image_tower_epochs=1"),
            "validation/auroc",
        ),
        "scans": Case(
            renal / "align_small.yaml", (*aligned, "--model.chunk_size=4"), "validation/recall_1"
        ),
        "scan-reports": Case(
            renal / "report_generation_small.yaml", writing, "validation/image_gain"
        ),
    }


def of_radiographs(folder: Path) -> dict[str, Case]:
    # 21 pictures to train on; 5 to validate, 2 of them on rank 0
    pictures = write_phantoms(folder / "pictures", 26)
    common = (f"--data.folder={pictures}", "--data.batch_size=8", "--data.augment=null")
    shape = "widths: [6, 8, 8], strides: [2, 2, 2], kernels: [5, 3, 1]"
    tower = f"--model.encoder.image={{architecture: plain, {shape}}}"
    text = tuple(f"--model.encoder.text.{each}" for each in TEXT)
    decoder = ("layers=1", "ffn=16", "dropout=0.0")
    terms = ("report.weight=1.0", "local.weight=1.0", "classification.texts_weight=1.0")
    devide, tuned = (
        CONFIGS / "devide",
        f"--model.image_from={folder / 'radiographs' / '1' / 'bundle'}",
    )
    return {
        "radiographs": Case(
            devide / "phantom.yaml",
            (
                *(*common, tower, *text, *(f"--model.terms.{each}" for each in terms)),
                *(f"--model.encoder.decoder.{each}" for each in decoder),
                *("--data.findings=null", "--data.input_px=null", "--model.encoder.input_px=64"),
                *("--data.text=tokens", "--model.facets.clauses=2"),
            ),
            "validation/auroc",
        ),
        "radiograph-classes": Case(
            devide / "classes_small.yaml",
            (*common, tuned, "--data.input_px=null", "--model.image_tower_epochs=1"),
            "validation/auroc",
        ),
        "radiograph-masks": Case(devide / "masks_small.yaml", (*common, tuned), "validation/dice"),
    }


def words_of(case: Case, folder: Path, ranks: int) -> list[str]:
    """Return the command line of a run."""
    words = ["train", "fit", f"--config={case.config}", *COMMON, *case.words]
    return [*words, f"--run.folder={folder}", f"--trainer.devices={ranks}"]


def read(folder: Path, ranks: int) -> Trained:
    """Read what a run has left; all ranks tell the same loss."""
    files = [folder / "trace" / f"rank_{rank}.jsonl" for rank in range(ranks)]
    shares = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
    samples, losses = [], []
    for lines in zip(*shares, strict=True):
        assert len({line["loss"] for line in lines}) == 1
        samples.append([sample for line in lines for sample in line["samples"]])
        losses.append(float.fromhex(lines[0]["loss"]))
    with (folder / "logs" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    told = [{k: float(v) for k, v in row.items() if v and k != "step"} for row in rows]
    figures = [{k: v for k, v in row.items() if not k.startswith("speed/")} for row in told]
    (weights, *_) = sorted(folder.glob("*/*.safetensors"))
    return Trained(samples, losses, figures, load_file(weights))


def compare(one: Trained, two: Trained, case: Case) -> None:
    assert len(one.losses) >= 4
    assert {len(batch) for batch in one.samples} == {len(one.samples[0])} != {0}
    assert two.samples == one.samples
    assert two.losses == pytest.approx(one.losses, rel=2e-4)
    assert case.figure in {name for row in one.figures for name in row}
    for mine, theirs in zip(one.figures, two.figures, strict=True):
        assert theirs == pytest.approx(mine, rel=1e-3, abs=1e-5)
    for key, weight in one.weights.items():
        torch.testing.assert_close(two.weights[key], weight, rtol=1e-3, atol=3e-4, msg=key)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, striped_pairs):
    """Every recipe on one and on two processes: their results, or what the log says."""
    folder = tmp_path_factory.mktemp("ranks")
    found: dict[str, tuple[Case, list[Trained]] | str] = {}
    with ForkedRuns(folder / "log") as start:
        for name, case in cases(folder, striped_pairs).items():
            trained = []
            for ranks in (1, 2):
                out = folder / name / str(ranks)
                codes = start.wait(start.start(words_of(case, out, ranks), ranks=ranks))
                if any(codes):
                    found[name] = f"{ranks} processes ended with {codes}\n{tail(start.log)}"
                    break
                trained.append(read(out, ranks))
            else:
                found[name] = (case, trained)
    assert set(found) == set(NAMES)
    return found


def tail(log: Path) -> str:
    return log.read_text()[-4000:]


@pytest.mark.slow
@pytest.mark.distributed
@pytest.mark.parametrize("name", NAMES)
def test_run__on_two_ranks_is_the_run_on_one(runs, name) -> None:
    found = runs[name]
    assert not isinstance(found, str), found
    case, (one, two) = found
    compare(one, two, case)
