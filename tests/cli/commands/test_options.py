"""Options that commands share: devices, limits, tiles."""

from pathlib import Path

import pytest
import torch

from medvlp.cli.commands import options
from medvlp.cli.commands.options import conclude
from medvlp.errors import UsageError
from medvlp.io import read_csv
from medvlp.jobs.outcomes import JobReport, Outcome


def test_choose_device__is_fp32_on_a_cpu_and_bf16_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert options.choose_device(options.Computing()) == ("cpu", "fp32")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert options.choose_device(options.Computing()) == ("cuda", "bf16")
    assert options.choose_device(options.Computing(device="cpu", precision="bf16")) == (
        "cpu",
        "bf16",
    )


def test_embed_settings__take_over_limits_and_tiles() -> None:
    found = options.embed_settings(
        options.Tiles(mpp=1.0, tile_px=224), options.Computing(memory_gib=2.0, batch_size=8)
    )
    assert (found.tiling.mpp, found.tiling.tile_px, found.batch_size) == (1.0, 224, 8)
    assert found.limits.memory_bytes == 2 * 2**30


def test_tiling_config__refuses_an_impossible_share() -> None:
    with pytest.raises(UsageError, match="min_tissue must be in"):
        options.tiling_config(options.Tiles(min_tissue=2.0))


def test_scan_settings__take_over_what_is_accepted() -> None:
    found = options.scan_settings(
        options.Scans(mask_names="kits", irregular="resample", allow_values=True),
        options.Computing(memory_gib=2.0),
    )
    assert found.rules.mask_names == "kits"
    assert found.rules.irregular == "resample"
    assert found.rules.allow_values
    assert found.limits.memory_bytes == 2 * 2**30


def test_discover_input__lists_all_that_is_skipped(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.svs").write_bytes(b"II*\0")
    for number in range(30):
        (tmp_path / "in" / f"{number:02}.txt").write_text("notes", encoding="utf-8")
    options.discover_input(tmp_path / "in", tmp_path / "out", None)
    told = capsys.readouterr().err
    assert "skipped 10 files more, listed in" in told
    rows = read_csv(tmp_path / "out" / "skipped.csv")
    assert [row["name"] for row in rows] == [f"{number:02}.txt" for number in range(30)]
    assert {row["why"] for row in rows} == {"not an image of a known kind"}


def test_conclude__tells_five_failures_of_a_code_and_counts_the_rest(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    failed = [
        Outcome(f"k{i}", f"case {i}", "failed", 0.1, "open", "MV1109", "a radiograph", "leave out")
        for i in range(7)
    ]
    other = Outcome("k9", "case 9", "failed", 0.1, "open", "MV1202", "cut off", "")
    done = Outcome("k8", "case 8", "done", 0.1, "", "", "", "")
    code = conclude(JobReport((*failed, other, done)), tmp_path, json_output=False)
    told = capsys.readouterr()
    assert code == 1
    assert told.out == f"1 of 9 cases done; outputs are in {tmp_path}\n"
    assert told.err.splitlines() == [
        *(f"failed case {i}: MV1109: a radiograph - leave out" for i in range(5)),
        "failed case 9: MV1202: cut off",
        f"failed for MV1109: 2 cases more, all in {tmp_path / 'failures.csv'}",
    ]
