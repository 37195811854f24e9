"""Whatever training does to a radiograph: picture, report, labels and places name one side.

The side is recovered from the picture alone. Every phantom with a lesion has a twin without it,
changed in the same way, so that their difference is the lesion, wherever it has come to lie; the
heart is told by brightness. A frontal picture has the patient's left on its right.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from medvlp.data import radiograph_augment, radiograph_dataset
from medvlp.data.modules_radiographs import RadiographDataModule
from medvlp.data.radiograph_augment import RadiographAugmentSettings
from medvlp.data.radiograph_dataset import RadiographSample
from medvlp.data.radiograph_manifest import FindingPlace
from medvlp.data.radiograph_pairs import RadiographRecord, write_radiograph_pairs
from medvlp.data.radiograph_texts import SentenceChoice
from medvlp.data.sampler import Draw
from medvlp.phantoms.chest.exposure import BITS
from medvlp.phantoms.chest.patients import make_patient
from medvlp.phantoms.chest.picture import paint_patient
from medvlp.radiographs.framing import frame_image

SIZE = 128
MIDDLE = SIZE / 2
NAMES = ("teskar", "jastel", "tibrane")
FINDINGS = tuple(f"{side}{name}" for name in NAMES for side in ("", "left ", "right "))
BOOK = "name: sides\nfindings:\n" + "".join(f"  {name}: {{}}\n" for name in FINDINGS)
PICTURES, EPOCHS = 12, 4

STILL = {
    "rotate_deg": 0.0,
    "translate": 0.0,
    "scale": 0.0,
    "crop": 1.0,
    "intensity_scale": 0.0,
    "intensity_shift": 0.0,
    "gamma": (1.0, 1.0),
    "gamma_probability": 0.0,
    "noise": 0.0,
    "flip": "never",
    "flip_probability": 0.5,
}
STRONG = {
    "rotate_deg": {"rotate_deg": 15.0},
    "translate": {"translate": 0.12},
    "scale": {"scale": 0.3},
    "crop": {"crop": 0.7},
    "intensity_scale": {"intensity_scale": 0.4},
    "intensity_shift": {"intensity_shift": 0.2},
    "gamma": {"gamma": (0.5, 2.0), "gamma_probability": 1.0},
    "gamma_probability": {"gamma": (0.6, 0.6), "gamma_probability": 0.5},
    "noise": {"noise": 0.1},
    "flip": {"flip": "swap-sides"},
    "flip_probability": {"flip": "swap-sides", "flip_probability": 1.0},
}
GEOMETRY = {"rotate_deg", "translate", "scale", "crop"}


def heart_lean(image: np.ndarray) -> float:
    """Tell how much brighter the picture's right is, beside the spine where the heart lies."""
    band = image[70:90]
    return float(band[:, 64:100].mean() - band[:, 28:64].mean())


def paint(seed: int, sides: dict, view: str) -> tuple[np.ndarray, Any, Any]:
    phantom = paint_patient(make_patient(seed, sides), size_px=(140, 130), view=view)
    square, frame = frame_image(phantom.pixels.astype(np.float32) / (2**BITS - 1), SIZE)
    return np.rint(square * 255).astype(np.uint8), frame, phantom


def painted() -> Iterator[tuple[RadiographRecord, np.ndarray, np.ndarray]]:
    """Yield record, picture and twin, of phantoms whose heart leans to the left clearly."""
    seed, found = 0, 0
    while found < PICTURES:
        side, other = (("left", "right"), ("right", "left"))[found % 2]
        view, name = ("PA", "AP")[found // 2 % 2], NAMES[found % 3]
        seed += 1
        twin, frame, _ = paint(seed, {}, view)
        if heart_lean(twin / 255) < 0.06:
            continue
        image, _, phantom = paint(seed, {name: side}, view)
        found += 1
        yield (
            RadiographRecord(
                sample_id=f"p{found:02d}",
                patient=f"patient{found:02d}",
                split="train",
                height_px=140,
                width_px=130,
                view=view,
                report=f"Findings: The heart lies to the left. There is {name} in the {side} lung."
                f" The {other} lung is clear.",
                labels={name: 1, f"{side} {name}": 1, f"{other} {name}": 0},
                places=tuple(
                    FindingPlace(
                        finding=f"{box.side} {name}",
                        side=box.side,
                        box=frame.to_frame_box((*box.rows, *box.cols)),
                    )
                    for box in phantom.boxes
                ),
            ),
            image,
            twin,
        )


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    records, images, twins = zip(*painted(), strict=True)
    describe = {"size_px": SIZE, "findings": FINDINGS}
    found = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")
    for folder, pictures in zip(found, (images, twins), strict=True):
        write_radiograph_pairs(folder, records, pictures, describe, book=BOOK)
    return found


def samples(
    folders: tuple[Path, Path], augment: dict[str, Any], sentences: SentenceChoice = "all"
) -> list[tuple[RadiographSample, RadiographSample]]:
    """Return the samples of some epochs, each with its twin."""
    settings = RadiographAugmentSettings(**augment)
    drawn = []
    for folder in folders:
        module = RadiographDataModule(
            folder=folder, batch_size=2, augment=settings, sentences=sentences, seed=5
        )
        dataset = module.dataset("train", is_training=True)
        drawn.append([dataset[Draw(e, i)] for e in range(EPOCHS) for i in range(len(dataset))])
    return list(zip(*drawn, strict=True))


def side_of_column(column: float) -> str:
    return "left" if column > MIDDLE else "right"


def check_sides(sample: RadiographSample, twin: RadiographSample) -> None:
    """Compare the sides that the picture shows with those that text, labels and places name.

    The heart lies on the other side than it did if the lesion does; :func:`check_hearts` sees to
    the heart itself, where brightness can tell it.
    """
    lesion = np.abs(sample.image - twin.image)
    columns = lesion.sum(axis=0)
    assert columns.sum() > 10, "the lesion has gone"
    column = float(columns @ (np.arange(SIZE) + 0.5) / columns.sum())
    shown = side_of_column(column)
    first = re.findall(r"in the (left|right) lung", sample.row.report)[0]
    heart = "left" if shown == first else "right"
    name = next(name for name in NAMES if sample.row.labels.get(name) == 1)
    labels = dict(zip(FINDINGS, sample.labels.tolist(), strict=True))
    assert labels[name] == 1
    other = {"left": "right", "right": "left"}[shown]
    assert (labels[f"{shown} {name}"], labels[f"{other} {name}"]) == (1, 0), "a label's side"
    for pattern, expected in (
        (r"in the (left|right) lung", shown),
        (r"The (left|right) lung is clear", other),
        (r"heart lies to the (left|right)", heart),
    ):
        said = re.findall(pattern, sample.text)
        assert said in ([], [expected]), f"the report's side: {sample.text}"
    (place,) = sample.places
    assert (place.side, place.finding) == (shown, f"{shown} {name}"), "a place's side"
    assert place.box[2] - 2 <= column <= place.box[3] + 2, "a place beside its lesion"


def check_all(found: list[tuple[RadiographSample, RadiographSample]]) -> None:
    for sample, twin in found:
        check_sides(sample, twin)


def check_hearts(found: list[tuple[RadiographSample, RadiographSample]]) -> None:
    """Compare where the heart is seen with where the report says that it is."""
    for sample, twin in found:
        (said,) = re.findall(r"heart lies to the (left|right)", sample.text)
        assert said == ("left" if heart_lean(twin.image) > 0 else "right"), "the heart's side"


def test_tables__cover_every_augmentation_that_there_is() -> None:
    assert set(STILL) == set(STRONG) == set(RadiographAugmentSettings.model_fields)
    assert get_args(SentenceChoice) == ("all", "shuffle", "subset")


@pytest.mark.parametrize("flip", ["never", "swap-sides"])
@pytest.mark.parametrize("name", STRONG)
def test_sides__survive_each_augmentation(folders: tuple[Path, Path], name: str, flip: str) -> None:
    found = samples(folders, STILL | {"flip": flip} | STRONG[name])
    for sample, twin in found:
        check_sides(sample, twin)
    turned = {sample.turned for sample, _ in found}
    may_turn = flip == "swap-sides" or "flip" in STRONG[name]
    assert turned == (
        {True} if name == "flip_probability" else {False, True} if may_turn else {False}
    )


@pytest.mark.parametrize("sentences", get_args(SentenceChoice))
@pytest.mark.parametrize("flip", ["never", "swap-sides"])
def test_sides__survive_all_at_once(
    folders: tuple[Path, Path], flip: str, sentences: SentenceChoice
) -> None:
    found = samples(folders, {"flip": flip}, sentences)
    check_all(found)
    assert any("left" in sample.text for sample, _ in found)


def test_defaults__turn_nothing_over(folders: tuple[Path, Path]) -> None:
    assert not any(sample.turned for sample, _ in samples(folders, {}))


def test_report_group__follows_the_text_that_the_report_becomes(
    folders: tuple[Path, Path],
) -> None:
    groups: dict[str, int] = {}
    for sample, _ in samples(folders, {"flip": "swap-sides"}):
        assert groups.setdefault(sample.text, sample.report_group) == sample.report_group
    assert len(set(groups.values())) == len(groups) > 6


def _plain_flip(pixels: np.ndarray, change: Any) -> np.ndarray:
    image = radiograph_augment.change_picture(pixels, change)
    return np.ascontiguousarray(image[:, ::-1])


BREAKS = {
    "a plain flip": ("change_picture", _plain_flip, {}),
    "a report left as it is": ("swap_sides", lambda text: text, {"flip": "swap-sides"}),
    "places left as they are": (
        "change_places",
        lambda places, change, size: places,
        {"flip": "swap-sides"},
    ),
}


@pytest.mark.parametrize("broken", BREAKS)
def test_check_sides__sees_every_way_of_breaking_them(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    name, replacement, changes = BREAKS[broken]
    monkeypatch.setattr(radiograph_dataset, name, replacement)
    found = samples(folders, STILL | changes)
    with pytest.raises(AssertionError, match="side"):
        check_all(found)
