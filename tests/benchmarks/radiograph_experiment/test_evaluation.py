"""Where attention is largest is compared with the boxes of a finding."""

from __future__ import annotations

import numpy as np

from benchmarks.radiograph_experiment.evaluation import pointing_hits
from medvlp.data.radiograph_manifest import FindingPlace


def maps(*peaks: tuple[int, int]) -> np.ndarray:
    found = np.zeros((len(peaks), 4, 5), np.float32)
    for number, (row, col) in enumerate(peaks):
        found[number, row, col] = 1.0
    return found


def test_pointing_hits__asks_whether_the_middle_of_the_strongest_patch_is_in_a_box() -> None:
    # 40 pixels: patches are 10 high and 8 wide; the middle of patch (1, 2) is (15, 20)
    attention = maps((1, 2), (1, 2), (0, 0), (3, 4))
    places = [
        FindingPlace(finding="a", side="left", box=(14, 16, 19, 21)),
        FindingPlace(finding="b", side="left", box=(16, 30, 19, 21)),
        FindingPlace(finding="c", side="left", box=(30, 40, 30, 40)),
        FindingPlace(finding="c", side="right", box=(0, 6, 0, 5)),
    ]
    found = pointing_hits(attention, places, ("a", "b", "c", "d"), 40)
    assert found.tolist() == [1, 0, 1, -1]
