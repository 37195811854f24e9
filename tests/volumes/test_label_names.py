from __future__ import annotations

import json
from pathlib import Path

import pytest

from medvlp.volumes.label_names import label_names
from medvlp.volumes.masks import read_mask


def test_label_names__are_those_of_the_tool(real_data: Path) -> None:
    table = real_data / "ct/totalsegmentator/total_label_names.json"
    expected = {int(number): name for number, name in json.loads(table.read_text()).items()}
    assert dict(label_names("totalsegmentator")) == expected


def test_label_names__are_those_inside_a_mask(real_data: Path) -> None:
    mask = read_mask(real_data / "ct/totalsegmentator/abdomen_3mm/seg_total.nii.gz")
    assert dict(mask.names) == dict(label_names("totalsegmentator"))


def test_label_names__refuse_an_unknown_scheme() -> None:
    with pytest.raises(ValueError, match="choose from"):
        label_names("other")
