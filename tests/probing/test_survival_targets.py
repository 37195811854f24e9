import numpy as np
import pytest

from medvlp.errors import DataError
from medvlp.probing.label_table import LabelTable
from medvlp.probing.samples import join_samples
from medvlp.probing.survival_targets import check_events, survival_targets
from tests.probing.probe_samples import folder_of


def joined(tmp_path, *pairs):
    rows = tuple(
        {"case_id": str(i), "months": months, "event": event}
        for i, (months, event) in enumerate(pairs)
    )
    table = LabelTable(tmp_path / "labels.csv", tuple(rows[0]), rows)
    folder = folder_of(np.arange(len(rows))[:, None].astype(float), map(str, range(len(rows))))
    return join_samples(folder, table, None), table


def test_survival_targets__leaves_out_what_is_not_stated(tmp_path):
    samples, targets = survival_targets(
        *joined(tmp_path, ("3.5", "1"), ("", "1"), ("4", ""), ("9", "False"))
    )
    assert targets.months.tolist() == [3.5, 9]
    assert targets.events.tolist() == [1, 0]
    assert samples.case_ids == ("0", "3")
    assert samples.notes == {"samples without months or event": 2}


@pytest.mark.parametrize(
    ("months", "event"),
    [("0", "1"), ("0", "0"), ("-3", "1"), ("nan", "1"), ("inf", "0"), ("soon", "1"), ("5", "2")],
)
def test_survival_targets__refuses_times_and_events_that_cannot_be(tmp_path, months, event):
    with pytest.raises(DataError, match=r"MV2325.*case '1' has months") as caught:
        survival_targets(*joined(tmp_path, ("4", "1"), (months, event)))
    assert repr(months) in str(caught.value)


def test_survival_targets__refuses_censoring_only(tmp_path):
    with pytest.raises(DataError, match=r"MV2324.*all 2 samples are censored"):
        survival_targets(*joined(tmp_path, ("4", "0"), ("6", "0")))


def test_survival_targets__refuses_a_table_without_times(tmp_path):
    with pytest.raises(DataError, match=r"MV2320.*no row with features"):
        survival_targets(*joined(tmp_path, ("", "1")))


def test_check_events__names_the_place():
    with pytest.raises(DataError, match="fold 3: all 2"):
        check_events(np.zeros(2, np.int64), "fold 3")
