"""What cannot be read is absent from its batch by name, and the others stay in order."""

import pickle

import blosc2
import numpy as np
import pytest

from medvlp.data.leaving_out import LeavingOut
from medvlp.data.loading import ordered_loader
from medvlp.data.modules_scans import ScanPairsDataModule
from medvlp.data.order import OrderSettings
from medvlp.data.quarantine import Quarantine
from medvlp.data.sampler import Draw
from medvlp.errors import DataError
from tests.data.scan_samples import write_samples


class Numbers:
    def __getitem__(self, draw):
        if draw.index % 5 == 3:
            raise DataError("MV1722", f"crop {draw.index}")
        return draw.index

    def sample_name(self, draw):
        return f"s{draw.index}"


def test_leaving_out__names_what_is_absent():
    samples = LeavingOut(Numbers()).__getitems__([Draw(0, index) for index in range(6)])
    assert samples == [0, 1, 2, 4, 5]
    assert [(bad.sample, bad.code) for bad in samples.absent] == [("s3", "MV1722")]
    assert pickle.loads(pickle.dumps(samples)).absent == samples.absent  # noqa: S301
    with pytest.raises(DataError, match="MV1722"):
        LeavingOut(Numbers())[Draw(0, 3)]


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_ordered_loader__leaves_out_and_keeps_the_order(num_ranks):
    def batches(dataset, most, rank=0):
        place = type("Place", (), {"global_rank": rank, "world_size": num_ranks})()
        quarantine = Quarantine(most)
        order = OrderSettings(seed=1, batch_size=10)
        loader = ordered_loader(
            dataset,
            order,
            list,
            num_samples=20,
            data_hash="",
            num_workers=0,
            trainer=place,
            quarantine=quarantine,
        )
        return list(loader), [bad.sample for bad in quarantine.found()]

    class Whole(Numbers):
        def __getitem__(self, draw):
            return draw.index

    seen = set()
    for rank in range(num_ranks):
        expected, none = batches(Whole(), 0, rank)
        found, absent = batches(Numbers(), 4, rank)
        assert none == []
        assert found == [[n for n in batch if n % 5 != 3] for batch in expected]
        seen |= set(absent)
    assert seen == {"s3", "s8", "s13", "s18"}
    with pytest.raises(DataError, match=r"MV1722"):
        batches(Numbers(), 0)


def test_scans__are_left_out_where_a_crop_is_damaged(tmp_path):
    folder = write_samples(tmp_path / "crops")
    settings = {"folder": folder, "batch_size": 5, "seed": 2, "text": "none", "augment": None}
    whole = list(ScanPairsDataModule(**settings).train_dataloader())
    module = ScanPairsDataModule(**settings, most_bad=1)
    name = whole[0].sample_id[2]
    row = next(row for row in module.manifest.rows("train") if row.sample_id == name)
    array = blosc2.open(str(folder / "crops.b2nd"), mode="a")
    array[row.crop] = np.asarray(array[row.crop]) + 1
    del array
    found = list(module.train_dataloader())
    ids = [sample for batch in whole for sample in batch.sample_id if sample != name]
    assert [sample for batch in found for sample in batch.sample_id] == ids
    assert [bad.code for bad in module.quarantine.found()] == ["MV1722"]
    with pytest.raises(DataError, match="MV1722"):
        list(ScanPairsDataModule(**settings).train_dataloader())
