"""``medvlp doctor``: what is installed, what works, what would be slow, and what to do."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

__all__ = ["Finding", "doctor", "examine"]

Grade = Literal["PASS", "WARN", "FAIL"]
_GIB = 2**30
_FLOORS = {
    "torch": (2, 10),
    "lightning": (2, 6, 6),
    "transformers": (5, 3),
    "openslide-bin": (4, 0, 1),
    "pydicom": (3, 0, 2),
    "pillow": (12, 1, 1),
    "filelock": (4, 2, 11),
}


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        name: What was checked.
        grade: PASS, WARN (works, but slower or with less), FAIL (something will not work).
        text: What was found.
        fix: What to do; empty for PASS.
    """

    name: str
    grade: Grade
    text: str
    fix: str = ""


def doctor(*, json_output: Annotated[bool, Parameter(name="--json")] = False) -> int:
    """Check this installation: libraries, codecs, accelerator, memory, disk and locks.

    Args:
        json_output: Print JSON for programs.

    Returns:
        0 if nothing failed, else 1.
    """
    findings = list(examine())
    if json_output:
        sys.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=1) + "\n")
    else:
        for finding in findings:
            fix = f"\n      -> {finding.fix}" if finding.fix else ""
            sys.stdout.write(f"{finding.grade}  {finding.name}: {finding.text}{fix}\n")
    return 1 if any(finding.grade == "FAIL" for finding in findings) else 0


def examine() -> Iterator[Finding]:
    """Yield the findings, one check after the other; a check that breaks is itself a finding."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _check_versions,
        _check_torch,
        _check_slide_reading,
        _check_codecs,
        _check_resources,
        _check_locks,
        _check_online_services,
    )
    for check in checks:
        try:
            yield from check()
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            name = check.__name__.removeprefix("_check_").replace("_", " ")
            yield Finding(name, "FAIL", f"{type(error).__name__}: {error}", "reinstall medvlp")


def _check_versions() -> Iterator[Finding]:
    yield Finding("python", "PASS", f"{platform.python_version()} on {platform.platform()}")
    for package, floor in _FLOORS.items():
        version = importlib.metadata.version(package)
        found = tuple(int(part) for part in version.split("+")[0].split(".")[:3] if part.isdigit())
        wanted = ".".join(map(str, floor))
        if found < floor:
            fix = f"pip install '{package}>={wanted}'"
            yield Finding(package, "FAIL", f"{version}, older than {wanted}", fix)
        else:
            yield Finding(package, "PASS", version)


def _check_torch() -> Iterator[Finding]:
    try:
        import torch
        import torchvision
    except (ImportError, RuntimeError) as error:
        fix = "install a matching pair, for example: pip install torch==2.15.0 torchvision==0.29.2"
        yield Finding("torch and torchvision", "FAIL", str(error), fix)
        return
    pair = f"torch {torch.__version__}, torchvision {torchvision.__version__}"
    yield Finding("torch and torchvision", "PASS", pair)
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name(0)
        grade: Grade = "PASS" if torch.cuda.is_bf16_supported() else "WARN"
        yield Finding("accelerator", grade, f"{torch.cuda.device_count()} x {name}")
    else:
        text = f"none; encoders run on {torch.get_num_threads()} CPU threads"
        yield Finding("accelerator", "WARN", text, "use --precision bf16, or a machine with a GPU")


def _check_slide_reading() -> Iterator[Finding]:
    from medvlp.phantoms.slides import PhantomSlideSpec, write_phantom_slide
    from medvlp.slides.reader import open_slide

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phantom.tiff"
        write_phantom_slide(path, PhantomSlideSpec(seed=0, diagnosis="normal", size_px=(512, 512)))
        with open_slide(path) as reader:
            pixels = reader.read_rgb((0, 0), 0, (256, 256))
            text = f"{reader.reader_id} read {pixels.shape[1]} x {pixels.shape[0]} px"
            yield Finding("slide reading", "PASS", text)


def _check_codecs() -> Iterator[Finding]:
    import imagecodecs
    import numpy as np

    image = np.zeros((16, 16, 3), np.uint8)
    decoded = {
        "JPEG": imagecodecs.jpeg8_decode(imagecodecs.jpeg8_encode(image)),
        "JPEG 2000": imagecodecs.jpeg2k_decode(imagecodecs.jpeg2k_encode(image)),
    }
    for name, pixels in decoded.items():
        grade: Grade = "PASS" if pixels.shape == image.shape else "FAIL"
        yield Finding(f"codec {name}", grade, "decodes a test tile")


def _check_resources() -> Iterator[Finding]:
    import psutil

    free_gib = psutil.virtual_memory().available / _GIB
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    enough = free_gib >= 4
    yield Finding(
        "memory",
        "PASS" if enough else "WARN",
        f"{free_gib:.1f} GiB free, {cores} cores",
        "" if enough else "large slides may not fit; close other programs",
    )
    disk_gib = shutil.disk_usage(Path.cwd()).free / _GIB
    roomy = disk_gib >= 5
    fix = "" if roomy else "choose an output folder on another disk"
    yield Finding("disk here", "PASS" if roomy else "WARN", f"{disk_gib:.1f} GiB free", fix)


def _check_locks() -> Iterator[Finding]:
    from filelock import SoftFileLock

    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        first, second = Path(folder) / "a", Path(folder) / "b"
        with SoftFileLock(Path(folder) / "lease"):
            first.write_bytes(b"1")
        os.link(first, second)
        second.replace(first)
    yield Finding("locks and renames here", "PASS", "leases, hard links and atomic renames work")


def _check_online_services() -> Iterator[Finding]:
    if os.environ.get("WANDB_API_KEY"):
        yield Finding("wandb", "PASS", "a key is set: runs are logged online")
    else:
        yield Finding("wandb", "PASS", "no key: runs are logged offline, and to CSV")
    offline = os.environ.get("HF_HUB_OFFLINE", "") not in {"", "0"}
    text = "offline (HF_HUB_OFFLINE is set)" if offline else "asked when a model name needs it"
    yield Finding("model hub", "PASS", text)
