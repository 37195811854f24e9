"""The verdict follows from the medians: rates beside WebDataset's, and times to first batches."""

import pytest

from benchmarks.loader import judge, tell

ROW = {
    **{"ours": 200.0, "webdataset": 160.0, "webdataset (PIL)": 100.0},
    **{"imagefolder": 210.0, "imagefolder (PIL)": 90.0},
    **{"first_batch_s, begun": 0.3, "first_batch_s, resumed": 0.4, "second_batch_s, begun": 2.0},
}
NONE = {"decode only": 250.0}


def test_judge__compares_with_the_faster_webdataset_and_states_the_share_of_decoding(capsys):
    verdict = judge({"0": ROW, "none": NONE})
    assert verdict["0"]["met"]
    assert verdict["0"]["ours_to"]["webdataset"] == pytest.approx(1.25)
    assert verdict["share_of_decoding"]["ours"] == pytest.approx(0.8)
    assert tell({"0": ROW, "none": NONE}, verdict)
    assert "1.25 times webdataset; first batch 0.30 s" in capsys.readouterr().out


@pytest.mark.parametrize("change", [{"ours": 150.0}, {"first_batch_s, resumed": 1.2}])
def test_judge__misses_where_a_rate_or_a_time_falls_short(change):
    assert not judge({"0": {**ROW, **change}, "none": NONE})["0"]["met"]
