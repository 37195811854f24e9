"""Importing any module has no effect: no network, no seed, no warning filter, no environment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "medvlp"

PROBE = '''
import json, os, random, socket, sys, warnings

def refuse(*args, **kwargs):
    raise AssertionError("a socket was opened during import")

third_party = """
    numpy torch lightning open_clip timm transformers openslide pydicom sklearn.metrics matplotlib
    skimage wandb torchvision pyarrow.parquet h5py jinja2 cyclopts jsonargparse shapely PIL.Image
    imagecodecs tifffile filelock rich.progress pydantic scipy.ndimage torch.utils.data
    huggingface_hub safetensors.torch tokenizers psutil skimage.morphology skimage.measure
    sklearn.linear_model lightning.pytorch.cli nibabel.nifti2 blosc2
    transformers.models.bert.modeling_bert
""".split()
for name in third_party:
    __import__(name)
import numpy, torch
socket.socket.connect = refuse

def state():
    return {
        "environment": dict(os.environ),
        "filters": [str(f) for f in warnings.filters],
        "random": hash(random.getstate()),
        "numpy": numpy.random.get_state()[1].tolist(),
        "torch": torch.get_rng_state().tolist(),
        "threads": torch.get_num_threads(),
        "precision": torch.get_float32_matmul_precision(),
        "collate": sorted(map(str, torch.utils.data._utils.collate.default_collate_fn_map)),
    }

wrong = []
for name in json.loads(sys.argv[1]):
    before = state()
    __import__(name)
    after = state()
    wrong += [f"{name} changed {key}" for key in before if before[key] != after[key]]
print(json.dumps(wrong))
'''


def module_names() -> list[str]:
    return [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.name != "__main__.py"
    ]


def test_import__has_no_effect() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROBE, json.dumps(module_names())],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == []


def test_help__needs_no_torch() -> None:
    code = (
        "import sys\n"
        "from medvlp.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "heavy = {'torch', 'numpy', 'openslide', 'lightning', 'h5py'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert "zero-shot" in run.stdout
