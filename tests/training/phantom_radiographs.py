"""A small folder of phantom radiographs with one bright lesion or none, and its masks."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from medvlp.data.radiograph_masks import write_radiograph_masks
from medvlp.data.radiograph_pairs import RadiographRecord, write_radiograph_pairs
from medvlp.models.architecture import TextTowerSettings
from medvlp.models.radiograph.settings import (
    PlainTowerSettings,
    QueryDecoderSettings,
    RadiographModelSettings,
)
from medvlp.phantoms.chest.book import phantom_findings_yaml
from medvlp.phantoms.chest.picture import paint_chest
from medvlp.radiographs.framing import frame_image

SIZE = 64
FINDINGS = ("teskar", "zandor", "pelquin")  # bright discs, a bright band, dark wedges
ENCODER = RadiographModelSettings(
    dim=16,
    input_px=SIZE,
    image=PlainTowerSettings(
        architecture="plain",
        widths=(12, 16, 24, 32, 32),
        strides=(2, 1, 2, 2, 1),
        kernels=(5, 3, 3, 3, 3),
    ),
    text=TextTowerSettings(width=16, layers=1, heads=2, feedforward=32, max_tokens=64),
    decoder=QueryDecoderSettings(dim=16, layers=1, heads=2, ffn=16, self_attention=False),
)


def write_phantoms(folder: Path, count: int = 60) -> Path:
    """Write pictures that show each finding in turn, or none; a fifth of them validates."""
    records, images, masks = [], [], []
    for number in range(count):
        kind = number % (len(FINDINGS) + 1)
        shown = (
            {} if kind == len(FINDINGS) else {FINDINGS[kind]: ("left", "right")[number // 4 % 2]}
        )
        phantom = paint_chest(7000 + number, shown, (72, SIZE))
        gray, frame = frame_image(phantom.pixels.astype(np.float32) / 4095, SIZE)
        lesion = np.zeros(phantom.pixels.shape, np.uint8)
        for box in phantom.boxes:
            lesion[box.mask] = 1
        rows, cols = frame.inner
        mask = np.zeros((SIZE, SIZE), np.uint8)
        (top, left) = frame.offset
        small = Image.fromarray(lesion).resize((cols, rows), Image.Resampling.NEAREST)
        mask[top : top + rows, left : left + cols] = np.asarray(small)
        masks.append(mask)
        images.append(np.rint(gray * 255).astype(np.uint8))
        key = hashlib.sha256(phantom.patient_id.encode()).hexdigest()[:16]
        records.append(
            RadiographRecord(
                sample_id=f"{key}_PA",
                patient=key,
                split="validation" if number % 5 == 4 else "train",
                height_px=72,
                width_px=SIZE,
                view=("PA", "AP")[number % 2],
                report=phantom.report,
                labels={name: int(name in shown) for name in FINDINGS},
            )
        )
    describe = {"size_px": SIZE, "findings": FINDINGS}
    write_radiograph_pairs(folder, records, images, describe, book=phantom_findings_yaml(FINDINGS))
    write_radiograph_masks(folder, masks, ("background", "lesion"))
    return folder


class FakeTrainer:
    """As much of a trainer as building and stepping a module needs."""

    world_size = 1
    global_rank = 0
    estimated_stepping_batches = 60

    def __init__(self, datamodule) -> None:
        self.datamodule = datamodule


def descend(module, loader, steps: int, *, settle: bool = False) -> list[float]:
    """Make some steps over a loader, again and again; the last third small ones, to settle.

    Stored statistics of batch norm then are those of the weights that are judged.
    """
    optimizer = module.configure_optimizers()["optimizer"]
    module.train().on_train_start()
    losses: list[float] = []
    while len(losses) < steps:
        for batch in loader:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] / (
                    20 if settle and 3 * len(losses) >= 2 * steps else 1
                )
            optimizer.zero_grad()
            loss = module.training_step(batch, len(losses))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if len(losses) == steps:
                break
    return losses
