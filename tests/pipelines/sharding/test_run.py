"""Shards have equal bytes for any number of processes, survive a kill, and name what is bad."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from importlib.util import find_spec

import pytest

from medvlp.data.image_codec import decode_image
from medvlp.data.pairs import read_pairs
from medvlp.errors import DataError, MedvlpError
from medvlp.io import content_sha256, read_csv
from medvlp.jobs.progress import NullProgress
from medvlp.jobs.runner import LeaseSettings
from medvlp.pipelines.sharding import run
from medvlp.pipelines.sharding.run import shard_pairs, state_folder
from medvlp.pipelines.sharding.settings import ShardSettings
from medvlp.pipelines.sharding.sources import plan_samples
from tests.pipelines.sharding.conftest import picture, write_table, write_tar

LEASE = LeaseSettings(heartbeat_s=0.2, stale_s=2.0)


def shard(source, out, *, processes=1, **options):
    settings = ShardSettings(**{"samples_per_shard": 3, "most_bad": 0.5, **options})
    samples = plan_samples(source, settings.columns)
    return shard_pairs(
        samples, settings, out, progress=NullProgress(), lease=LEASE, processes=processes
    )


def test_shard_pairs__gives_back_every_sample(tmp_path, table):
    report = shard(table, tmp_path / "out")
    assert [outcome.status for outcome in report.outcomes] == ["done"] * 3
    manifest = read_pairs(tmp_path / "out")
    assert [shard.name for shard in manifest.info.shards] == [f"00000{n}.tar" for n in range(3)]
    assert manifest.info.tile_px == 16
    rows = [*manifest.rows("train"), *manifest.rows("validation")]
    reader = manifest.open_shards()
    for number, row in enumerate(rows):
        kind = "JPEG" if number % 2 else "PNG"
        assert reader.read(row.place) == picture(number, kind)
        assert decode_image(reader.read(row.place), "x").shape == (16, 16, 3)
        assert (row.captions, row.concept_ids) == ((f"caption {number}",), (f"DOID:{number}",))
    assert [row.group_id for row in rows] == [0, 0, 1, 1, 2, 2, 3]
    assert not state_folder(tmp_path / "out").exists()
    again = shard(table, tmp_path / "out")
    assert [outcome.status for outcome in again.outcomes] == ["reused"] * 3


def test_shard_pairs__keeps_the_shards_that_are_finished(tmp_path, table, monkeypatch):
    shard(table, tmp_path / "whole")

    def fail(*_):
        raise OSError("killed before the end")

    with monkeypatch.context() as patch:
        patch.setattr("medvlp.pipelines.sharding.run._publish", fail)
        with pytest.raises(OSError, match="killed"):
            shard(table, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    parts = state_folder(tmp_path / "out") / "parts"
    tar = parts / "000001" / "000001.tar"
    damaged = bytearray(tar.read_bytes())
    damaged[700] ^= 1
    tar.write_bytes(bytes(damaged))
    report = shard(table, tmp_path / "out")
    assert [outcome.status for outcome in report.outcomes] == ["reused", "done", "reused"]
    assert content_sha256(tmp_path / "out") == content_sha256(tmp_path / "whole")


def test_shard_pairs__leaves_bad_images_out_by_name(tmp_path, table):
    (table.parent / "im3.jpg").write_bytes(b"nothing")
    (table.parent / "im4.png").unlink()
    report = shard(table, tmp_path / "out")
    assert [outcome.code for outcome in report.failures] == ["MV1702", "MV1702"]
    listed = read_csv(tmp_path / "out" / "quarantine.csv")
    assert [row["sample"].split("-")[0] for row in listed] == ["im3", "im4"]
    assert "row 5 (im4.png): No such file" in listed[1]["reason"]
    names = [row.sample_id.split("-")[0] for row in read_pairs(tmp_path / "out").rows("train")]
    assert names == ["im0", "im1", "im2", "im5"]
    counts = json.loads((tmp_path / "out" / "sharding.json").read_text())["counts"]
    assert counts == {"samples": 7, "written": 5, "bad": 2, "shards": 3}
    assert len(shard(table, tmp_path / "out").failures) == 2
    with pytest.raises(DataError, match=r"MV1819: 2 of 7 samples are bad, the first: im3-"):
        shard(table, tmp_path / "other", most_bad=0.1)
    assert not (tmp_path / "other").exists()
    assert len(read_csv(tmp_path / "other.quarantine.csv")) == 2


def statuses(report):
    return [o.status for o in report.outcomes if o.case_id.startswith("shard")]


def test_shard_pairs__goes_on_where_images_are_mended_or_more_may_be_bad(tmp_path, table):
    (table.parent / "im4.png").write_bytes(b"nothing")
    for out in ("mended", "allowed"):
        with pytest.raises(DataError, match="MV1819"):
            shard(table, tmp_path / out, most_bad=0.1)
    report = shard(table, tmp_path / "allowed", most_bad=0.2)
    assert (statuses(report), len(report.failures)) == (["reused"] * 3, 1)
    (table.parent / "im4.png").write_bytes(picture(4))
    report = shard(table, tmp_path / "mended", most_bad=0.1)
    assert (statuses(report), len(report.failures)) == (["reused", "done", "reused"], 0)


@pytest.mark.parametrize("step", ["_run", "_publish"])
def test_shard_pairs__reuses_what_another_process_published_first(
    tmp_path, table, monkeypatch, step
):
    original = getattr(run, step)

    def overtaken(*arguments):
        monkeypatch.setattr(run, step, original)
        if step == "_run":
            original(*arguments)
        shard(table, tmp_path / "out")
        return original(*arguments)

    monkeypatch.setattr(run, step, overtaken)
    report = shard(table, tmp_path / "out")
    assert (statuses(report), len(report.failures)) == (["reused"] * 3, 0)
    assert not state_folder(tmp_path / "out").exists()
    assert len(read_pairs(tmp_path / "out").rows("train")) == 6


def test_shard_pairs__names_samples_without_a_caption(tmp_path, table):
    table.write_text(table.read_text().replace("caption 2", ""))
    (failed,) = shard(table, tmp_path / "out").failures
    assert (failed.code, failed.reason) == (
        "MV1818",
        "pairs.csv, row 3 (im2.png): it has no caption",
    )


def test_shard_pairs__refuses_a_folder_of_another_plan(tmp_path, table):
    shard(table, tmp_path / "out")
    with pytest.raises(MedvlpError, match="MV1605"):
        shard(table, tmp_path / "out", samples_per_shard=4)


def test_shard_pairs__reads_tars_and_writes_tars_that_tarfile_reads(tmp_path):
    (tmp_path / "in").mkdir()
    write_tar(tmp_path / "in" / "a.tar", range(4))
    shard(tmp_path / "in", tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "000000.tar") as tar:
        assert tar.getnames() == ["s0.jpg", "s1.jpg", "s2.jpg"]
        assert tar.extractfile("s1.jpg").read() == picture(1, "JPEG")
    assert [row.group_id for row in read_pairs(tmp_path / "out").rows("train")] == [1, 3]


BY_WEBDATASET = """
import sys, webdataset
for sample in webdataset.WebDataset(sys.argv[1:], shardshuffle=False):
    print(sample["__key__"], *(len(sample[kind]) for kind in ("jpg", "png") if kind in sample))
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("webdataset") is None, reason="webdataset is not installed")
def test_shards__are_read_by_webdataset(tmp_path, table):
    shard(table, tmp_path / "out")
    shards = sorted(str(path) for path in (tmp_path / "out").glob("*.tar"))
    command = [sys.executable, "-c", BY_WEBDATASET, *shards]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line.split() for line in found.stdout.splitlines()]
    assert [name.split("-")[0] for name, _ in lines] == [f"im{n}" for n in range(7)]
    sizes = [len(picture(n, "JPEG" if n % 2 else "PNG")) for n in range(7)]
    assert [int(size) for _, size in lines] == sizes


@pytest.mark.slow
def test_shard_pairs__gives_equal_bytes_for_any_number_of_processes(tmp_path, table):
    for processes in (1, 3):
        shard(table, tmp_path / f"out{processes}", processes=processes)
    assert content_sha256(tmp_path / "out1") == content_sha256(tmp_path / "out3")


KILLED = """
import sys
from pathlib import Path
from tests.pipelines.sharding.test_run import shard

if __name__ == "__main__":
    shard(Path(sys.argv[1]), Path(sys.argv[2]), samples_per_shard=1)
"""


@pytest.mark.slow
def test_shard_pairs__goes_on_after_a_kill(tmp_path):
    table = write_table(tmp_path / "many", 40)
    shard(table, tmp_path / "whole", samples_per_shard=1)
    out = tmp_path / "out"
    script = tmp_path / "script.py"
    script.write_text(KILLED)
    words = [sys.executable, str(script), str(table), str(out)]
    root = os.fspath(os.path.dirname(os.path.abspath(sys.modules["medvlp"].__file__)) + "/..")
    process = subprocess.Popen(words, env={**os.environ, "PYTHONPATH": root})
    parts = state_folder(out) / "parts"
    deadline = time.monotonic() + 300
    while not parts.exists() or len(list(parts.glob("0*"))) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    report = shard(table, out, samples_per_shard=1)
    assert "reused" in {outcome.status for outcome in report.outcomes}
    assert content_sha256(out) == content_sha256(tmp_path / "whole")
