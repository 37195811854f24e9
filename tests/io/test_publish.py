import contextlib
import errno
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest

from medvlp.errors import MedvlpError, OutputError, UsageError
from medvlp.io import (
    AlreadyPublishedError,
    full_disk_errors,
    output_errors,
    publish_file,
    publish_folder,
)

ROOT = Path(__file__).parents[2]


def fail_after_writing(path: Path) -> None:
    path.write_text("half")
    raise ZeroDivisionError


def write_megabytes(path: Path, writer: str) -> None:
    if writer == "bytes":
        path.write_bytes(bytes(2**21))
    else:
        with h5py.File(path, "w") as file:
            file["features"] = np.ones(2**20, dtype=np.float32)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_publish_file__shows_the_name_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.h5"
    with publish_file(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.name.startswith(".tmp-")
        assert temporary.suffix == ".h5"
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert names(path.parent) == ["x.h5"]


def test_publish_file__keeps_the_permissions_that_the_user_asked_for(tmp_path: Path) -> None:
    former = os.umask(0o027)
    try:
        with publish_file(tmp_path / "x"):
            pass
    finally:
        os.umask(former)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_publish_file__leaves_the_old_content_when_the_body_fails(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), publish_file(path) as temporary:
        fail_after_writing(temporary)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x"]


def test_publish_file__lets_the_first_win_without_replace(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with publish_file(path, replace=False) as first:
        first.write_text("first")
        with publish_file(path, replace=False) as second:
            second.write_text("second")
        with pytest.raises(AlreadyPublishedError, match="published by another process"):
            _leave(path)
        raised = False
        try:
            with publish_file(path, replace=False):
                pass
        except FileExistsError:
            raised = True
        assert raised
        path.unlink()
    assert path.read_text() == "first"
    assert names(tmp_path) == ["x"]


def _leave(path: Path) -> None:
    with publish_file(path, replace=False) as temporary:
        temporary.write_text("late")


def test_publish_file__has_one_winner_among_threads(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)
    won: list[int] = []

    def race(number: int) -> None:
        with contextlib.suppress(AlreadyPublishedError):
            with publish_file(tmp_path / "x", replace=False) as temporary:
                temporary.write_text(str(number))
                barrier.wait()
            won.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert (tmp_path / "x").read_text() == str(won[0])
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("taken", [False, True])
def test_publish_file__works_where_hard_links_are_not_supported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no hard links here")

    monkeypatch.setattr("medvlp.io.publish.os.link", refuse)
    if taken:
        (tmp_path / "x").write_text("theirs")
    outcome = pytest.raises(AlreadyPublishedError) if taken else contextlib.nullcontext()
    with outcome, publish_file(tmp_path / "x", replace=False) as temporary:
        temporary.write_text("ours")
    assert (tmp_path / "x").read_text() == ("theirs" if taken else "ours")
    assert names(tmp_path) == ["x"]


def test_publish_file__believes_its_own_link_when_the_answer_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.link

    def link_and_lose_the_answer(source: Path, target: Path) -> None:
        real(source, target)
        raise FileExistsError(errno.EEXIST, "File exists", str(target))

    monkeypatch.setattr("medvlp.io.publish.os.link", link_and_lose_the_answer)
    with publish_file(tmp_path / "x", replace=False) as temporary:
        temporary.write_text("ours")
    assert (tmp_path / "x").read_text() == "ours"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "MV1105"),
        (errno.EDQUOT, "MV1105"),
        (errno.EACCES, "MV1104"),
        (errno.EROFS, "MV1104"),
        (errno.EIO, "MV1106"),
        (errno.ESTALE, "MV1106"),
    ],
)
@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
def test_publish_file__turns_each_failure_into_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str, step: str
) -> None:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    where = (
        "medvlp.io.publish.Path.replace" if step == "replace" else f"medvlp.io.publish.os.{step}"
    )
    with monkeypatch.context() as patch:
        patch.setattr(where, fail)
        with (
            pytest.raises(OutputError, match=f"{code}: .*x.csv cannot be written"),
            publish_file(tmp_path / "x.csv") as temporary,
        ):
            temporary.write_bytes(b"half") if step != "open" else None
    assert names(tmp_path) == []


def test_publish_file__reports_a_full_disk_that_the_body_met(tmp_path: Path) -> None:
    hidden = RuntimeError("Unable to flush file (errno = 28, 'No space left on device')")
    with pytest.raises(OutputError, match="MV1105"), publish_file(tmp_path / "x"):
        raise hidden
    with pytest.raises(OutputError, match="MV1104"), publish_file(tmp_path / "x"):
        raise OSError(errno.EROFS, "Read-only file system")
    assert names(tmp_path) == []


def test_publish_file__lets_errors_about_inputs_pass(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), publish_file(tmp_path / "x"):
        raise PermissionError(errno.EACCES, "Permission denied", "slide.svs")
    with pytest.raises(RuntimeError, match="decoder"), publish_file(tmp_path / "x"):
        raise RuntimeError("decoder")


@pytest.mark.parametrize("writer", ["bytes", "hdf5"])
def test_publish_file__survives_a_disk_that_is_really_full(small_disk: Path, writer: str) -> None:
    (small_disk / "old").write_text("old")
    with pytest.raises(OutputError, match="MV1105"), publish_file(small_disk / "x.h5") as temporary:
        write_megabytes(temporary, writer)
    assert names(small_disk) == ["old"]
    with publish_file(small_disk / "small") as temporary:
        temporary.write_text("fits")
    assert names(small_disk) == ["old", "small"]


def test_publish_file__refuses_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="MV1103"), publish_file(tmp_path / "out" / "x"):
        pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="MV1103"), publish_file(tmp_path / "folder"):
        pass
    assert names(tmp_path) == ["folder", "out"]


def test_publish_file__does_not_write_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("private")
    (tmp_path / "x").symlink_to(tmp_path / "elsewhere")
    with publish_file(tmp_path / "x") as temporary:
        temporary.write_text("ours")
    assert (tmp_path / "elsewhere").read_text() == "private"
    assert not (tmp_path / "x").is_symlink()


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from medvlp.io import publish_file, publish_folder
    target, at = Path(sys.argv[1]), int(sys.argv[2])
    calls = 0
    def watch(event, args):
        global calls
        if event in ("open", "os.rename", "os.remove", "os.link", "os.mkdir") and str(
            target.parent) in str(args[0]):
            calls += 1
            if calls == at:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)
    with publish_file(target / "file", replace="link" not in sys.argv) as temporary:
        temporary.write_text("whole" * 100)
    with publish_folder(target / "folder") as temporary:
        (temporary / "inside").write_text("whole" * 100)
    print(calls)
"""


@pytest.mark.parametrize("how", ["replace", "link"])
def test_publish__killed_anywhere_leaves_the_whole_or_nothing(tmp_path: Path, how: str) -> None:
    at, done = 0, False
    while not done:
        at += 1
        target = tmp_path / str(at)
        target.mkdir()
        script = [sys.executable, "-c", textwrap.dedent(KILLED), str(target), str(at), how]
        ended = subprocess.run(script, check=False, capture_output=True, cwd=ROOT)
        done = ended.returncode == 0
        visible = {name for name in names(target) if not name.startswith(".tmp-")}
        assert visible <= {"file", "folder"}
        if "file" in visible:
            assert (target / "file").read_text() == "whole" * 100
        if "folder" in visible:
            assert (target / "folder" / "inside").read_text() == "whole" * 100
        # The next run finds the rest of the dead one and removes it.
        with publish_file(target / "next"):
            pass
        assert set(names(target)) == {*visible, "next"}
    assert at > 8, f"only {at} places to be killed at were found"
    assert visible == {"file", "folder"}


def test_publish_folder__appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "bundles" / "model"
    with publish_folder(path) as temporary:
        (temporary / "deep").mkdir()
        (temporary / "deep" / "weights").write_text("w")
        assert not path.exists()
    assert (path / "deep" / "weights").read_text() == "w"
    assert names(path.parent) == ["model"]


def test_publish_folder__leaves_nothing_when_the_body_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), publish_folder(tmp_path / "x") as temporary:
        fail_after_writing(temporary / "half")
    assert names(tmp_path) == []


def test_publish_folder__lets_the_first_win_or_replaces_as_told(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for content in ("old", "new"):
        with publish_folder(path, replace=True) as temporary:
            (temporary / content).write_text(content)
    assert names(path) == ["new"]
    with pytest.raises(AlreadyPublishedError), publish_folder(path) as temporary:
        (temporary / "late").write_text("")
    assert names(path) == ["new"]
    assert names(tmp_path) == ["x"]


def test_publish_folder__puts_the_old_folder_back_when_the_rename_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    with publish_folder(path) as temporary:
        (temporary / "old").write_text("")

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with (
        pytest.raises(OutputError, match="MV1106"),
        publish_folder(path, replace=True) as temporary,
    ):
        monkeypatch.setattr("medvlp.io.publish._rename_first", fail)
    assert names(path) == ["old"]
    assert names(tmp_path) == ["x"]


def test_publish_folder__ignores_that_a_folder_cannot_be_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def refuse_folders(handle: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(handle)

    monkeypatch.setattr("medvlp.io.publish.os.fsync", refuse_folders)
    with publish_folder(tmp_path / "x") as temporary:
        (temporary / "a").write_text("")
    assert names(tmp_path / "x") == ["a"]


def test_output_errors__pass_what_is_not_about_the_file_system(tmp_path: Path) -> None:
    with pytest.raises(KeyError), output_errors(tmp_path):
        raise KeyError
    with pytest.raises(MedvlpError, match="MV9999"), full_disk_errors(tmp_path):
        raise MedvlpError("MV9999", "anything")
