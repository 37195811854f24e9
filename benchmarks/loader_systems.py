"""The loaders that are measured: each yields batches of images of 224 px, uint8."""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torchvision.datasets import ImageFolder
from torchvision.transforms import CenterCrop, Compose, PILToTensor

from benchmarks.loader_tiles import FILES, PAIRS
from medvlp.data.dataset import PairsDataset
from medvlp.data.image_codec import decode_image
from medvlp.data.loading import ordered_loader, start_loader_server
from medvlp.data.order import OrderSettings
from medvlp.data.pairs import read_pairs
from medvlp.pixels import fit_image, prepare_image
from medvlp.types import ImagePreprocessing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from medvlp.data.dataset import PairShare
    from medvlp.data.loading import OrderedLoader

__all__ = ["SYSTEMS", "decode_rate", "first_batches", "rate", "warm_files"]

_SKIPPED = 8
_CROP_PX = 224
PREPROCESSING = ImagePreprocessing(
    input_px=_CROP_PX,
    resize_px=256,
    interpolation="bilinear",
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
)


def decode(content: bytes) -> torch.Tensor:
    """Decode and crop as ours does, shape ``(224, 224, 3)``, uint8."""
    return torch.from_numpy(prepare_image(decode_image(content, "tile"), PREPROCESSING))


def _decode_key(sample: dict[str, Any]) -> tuple[torch.Tensor, str]:
    return decode(sample["jpg"]), sample["__key__"]


def _decode_file(path: str) -> torch.Tensor:
    return decode(Path(path).read_bytes())


def _our_batch(samples: PairShare) -> tuple[torch.Tensor, tuple[str, ...]]:
    return samples.images, tuple(s.row.sample_id for s in samples)


def our_loader(out: Path, batch: int, workers: int) -> OrderedLoader[Any]:
    """Return our loader of the folder of pairs."""
    manifest = read_pairs(out / PAIRS)
    dataset = PairsDataset(manifest, "train", PREPROCESSING, augment=None, seed=0)
    return ordered_loader(
        dataset,
        OrderSettings(seed=0, batch_size=batch),
        _our_batch,
        num_samples=len(dataset),
        data_hash=manifest.info.manifest_sha256,
        num_workers=workers,
        trainer=None,
    )


def ours(out: Path, batch: int, workers: int) -> Iterator[Any]:
    """Yield batches of our loader, in random order."""
    return iter(our_loader(out, batch, workers))


def webdataset(out: Path, batch: int, workers: int, *, by_pil: bool = False) -> Iterator[Any]:
    """Yield batches of WebDataset, in the order of the shards."""
    wds = importlib.import_module("webdataset")
    shards = [str(path) for path in sorted((out / PAIRS).glob("*.tar"))]
    samples = wds.WebDataset(shards, shardshuffle=False)
    if by_pil:
        samples = samples.decode("pil").to_tuple("jpg", "__key__").map_tuple(_transform(), str)
    else:
        samples = samples.map(_decode_key)
    return iter(wds.WebLoader(samples.batched(batch), batch_size=None, num_workers=workers))


def imagefolder(out: Path, batch: int, workers: int, *, by_pil: bool = False) -> Iterator[Any]:
    """Yield batches of torchvision's ImageFolder, in random order."""
    if by_pil:
        images = ImageFolder(str(out / FILES), transform=_transform())
    else:
        images = ImageFolder(str(out / FILES), loader=_decode_file)
    loader = torch.utils.data.DataLoader(images, batch, shuffle=True, num_workers=workers)
    return iter(loader)


def _transform() -> Callable[[Any], torch.Tensor]:
    both: Callable[[Any], torch.Tensor] = Compose([CenterCrop(_CROP_PX), PILToTensor()])
    return both


SYSTEMS: dict[str, Callable[[Path, int, int], Iterator[Any]]] = {
    "ours": ours,
    "webdataset": webdataset,
    "webdataset (PIL)": lambda *a: webdataset(*a, by_pil=True),
    "imagefolder": imagefolder,
    "imagefolder (PIL)": lambda *a: imagefolder(*a, by_pil=True),
}


def rate(batches: Iterable[Sequence[Any]]) -> float:
    """Return samples per second of the batches after the first ones."""
    count, begin = 0, 0.0
    for number, batch in enumerate(batches):
        if number >= _SKIPPED:
            count += len(batch[0])
        elif number == _SKIPPED - 1:
            begin = time.perf_counter()
    return count / (time.perf_counter() - begin)


def first_batches(out: Path, batch: int, workers: int, *, resumed: bool) -> dict[str, float]:
    """Return the time to the first and to the second batch of a run, from reading the manifest on.

    Args:
        out: Folder of the tiles.
        batch: Samples in a batch.
        workers: Number of loader processes.
        resumed: Whether the run is taken up in the middle of an epoch.
    """
    begin = time.perf_counter()
    if workers:
        start_loader_server()  # as training does before it builds the model
    loader = our_loader(out, batch, workers)
    if resumed:
        state = loader.state_dict()
        middle = loader.order.num_batches(0) // 2 * batch
        loader.load_state_dict({**state, "samples_consumed": middle})
    batches = iter(loader)
    next(batches)
    first_s = time.perf_counter() - begin
    next(batches)
    return {"first_batch_s": first_s, "second_batch_s": time.perf_counter() - begin}


def decode_rate(out: Path, count: int) -> float:
    """Return how many tiles per second are decoded and cropped where their bytes are in memory."""
    manifest = read_pairs(out / PAIRS)
    rows = manifest.rows("train")
    count = min(count, len(rows))
    reader = manifest.open_shards()
    contents = reader.read_many([rows.place(index) for index in range(count)])
    images = np.empty((256, _CROP_PX, _CROP_PX, 3), dtype=np.uint8)
    begin = time.perf_counter()
    for number, content in enumerate(contents):
        images[number % 256] = fit_image(decode_image(content, "tile"), PREPROCESSING)
    return count / (time.perf_counter() - begin)


def warm_files(out: Path) -> None:
    """Read every file once, so that all runs find them in the page cache."""
    for path in sorted((*(out / PAIRS).glob("*"), *(out / FILES / "tiles").glob("*"))):
        path.read_bytes()
