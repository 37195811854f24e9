"""Phantom X-rays as files, and a small random model that judges findings of them."""

from pathlib import Path

from medvlp.config.task import Task, parse_task
from medvlp.models.radiograph.bundle import RadiographBundle, load_radiograph_bundle
from medvlp.phantoms.chest.dicom import write_phantom_dicom
from medvlp.phantoms.chest.files import write_phantom_png
from medvlp.phantoms.chest.picture import ChestPhantom, paint_chest
from medvlp.text.tokenizer import train_tokenizer
from medvlp.types import Case
from tests.config.task_documents import finding_task
from tests.models.radiograph.tiny_findings import write_tiny_findings

WORDS = ("a pleural effusion at the base", "a small lung nodule", "no finding is there", "a coin")
CLASSES = {
    "effusion": {"finding": "pleural effusion"},
    "nodule": {"names": ["lung nodule"]},
    "coin": {"names": ["a swallowed coin", "a metal disc"]},
}


def chest(seed: int = 3) -> ChestPhantom:
    return paint_chest(seed, size_px=(96, 80))


def write_model(folder: Path, **card: object) -> RadiographBundle:
    card = {"findings_seen": ("pleural effusion",)} | card
    write_tiny_findings(folder, train_tokenizer(list(WORDS), 120), **card)
    return load_radiograph_bundle(folder)


def write_images(folder: Path) -> list[str]:
    """Write two X-rays, one as PNG and one as DICOM; return their case ids."""
    folder.mkdir(parents=True, exist_ok=True)
    write_phantom_png(folder / "a.png", chest())
    write_phantom_dicom(folder / "b.dcm", chest(4), photometric="MONOCHROME1")
    return ["a.png", "b.dcm"]


def case_of(path: Path) -> Case:
    return Case(case_id=path.name, case_key=path.stem, path=path, modality="radiograph")


def task_of(**changes: object) -> Task:
    return parse_task(finding_task(**({"classes": CLASSES} | changes)), source="task")


def prompt_task(**changes: object) -> Task:
    document = finding_task(
        head="present-absent",
        classes={"effusion": {"names": ["a pleural effusion"], "absent_names": ["no finding"]}},
        templates=["{}"],
        **changes,
    )
    return parse_task(document, source="task")
