"""Fixtures shared by all tests: real data and reference numbers where they are at hand."""

import os
from pathlib import Path

import pytest

# Before torch is loaded: threads that wait without spinning keep the suite quick on shared cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _test_data_folder(name: str) -> Path:
    root = os.environ.get("MEDVLP_TEST_DATA")
    if not root:
        pytest.skip(
            "MEDVLP_TEST_DATA is not set: it names the folder that holds data/ and vectors/"
        )
    folder = Path(root) / name
    if not folder.is_dir():
        pytest.skip(f"MEDVLP_TEST_DATA={root} has no folder {name}/")
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real slides, tiles, scans and broken files."""
    return _test_data_folder("data")


@pytest.fixture(scope="session")
def vectors() -> Path:
    """Folder of reference numbers."""
    return _test_data_folder("vectors")
