"""A label map that we write is read back with its grid and the names of its labels."""

from pathlib import Path

import numpy as np
import pytest

from medvlp.volumes.mask_writing import write_label_map
from medvlp.volumes.masks import read_mask
from tests.volumes.bodies import GEOMETRY, make_body


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_write_label_map__is_read_back_with_its_names(tmp_path: Path, name: str) -> None:
    _, mask = make_body()
    write_label_map(tmp_path / name, mask)
    found = read_mask(tmp_path / name, like=GEOMETRY)
    assert found.names == mask.names
    assert found.geometry.difference(GEOMETRY) == ""
    np.testing.assert_array_equal(found.labels, mask.labels)
