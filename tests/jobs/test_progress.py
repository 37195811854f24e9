import io
import re
import time

import pytest

from medvlp.jobs.progress import NullProgress, Progress, describe_seconds


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress__writes_plain_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Progress(4, "slides", label="Embedding") as progress:
        progress.advance()
        progress.skip(2)
        progress.advance()
    captured = capsys.readouterr()
    assert captured.out == ""
    first, last = captured.err.splitlines()
    assert first == "Embedding: 0/4 slides"
    assert re.fullmatch(r"Embedding: 4/4 slides, 2 reused, [0-9.e+]+ slides/s, in 0 s", last)


def test_progress__writes_a_line_per_interval_even_when_nothing_ends() -> None:
    stream = io.StringIO()
    with Progress(4, "slides", label="Embedding", interval_s=0.05, stream=stream) as progress:
        progress.advance()
        time.sleep(0.3)
    lines = stream.getvalue().splitlines()
    assert 4 <= len(lines) <= 9
    assert all("1/4 slides" in line for line in lines[1:])
    assert re.search(r"1/4 slides, [0-9.]+ slides/\w+, 1 s left", lines[-1])


def test_progress__draws_a_bar_on_a_terminal() -> None:
    stream = Terminal()
    with Progress(3, "tiles [x]", label="Reading [bold]", stream=stream) as progress:
        progress.advance(2)
        progress.skip()
    text = stream.getvalue()
    assert "Reading [bold]" in text
    assert "3/3 tiles [x], 1 reused" in text


def test_progress__of_nothing_to_do_says_so() -> None:
    stream = io.StringIO()
    with Progress(0, "slides", label="Embedding", stream=stream):
        pass
    assert stream.getvalue().splitlines()[-1] == "Embedding: 0/0 slides, in 0 s"


@pytest.mark.parametrize(
    ("worked", "seconds", "said"),
    [
        (10, 4.0, "2.5 slides/s, 36 s left"),
        (10, 40.0, "15 slides/min, 6 min 0 s left"),
        (2, 7200.0, "1 slides/h, 4 d 2 h left"),
    ],
)
def test_progress__states_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch, worked: int, seconds: float, said: str
) -> None:
    clock = [100.0]
    monkeypatch.setattr("medvlp.jobs.progress.time.monotonic", lambda: clock[0])
    progress = Progress(100, "slides", label="Embedding", stream=io.StringIO())
    with progress:
        progress.advance(worked)
        clock[0] += seconds
        assert progress.summary() == f"{worked}/100 slides, {said}"


def test_progress__does_not_let_reused_items_speak_for_the_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr("medvlp.jobs.progress.time.monotonic", lambda: clock[0])
    with Progress(100, "slides", label="x", stream=io.StringIO()) as progress:
        progress.skip(80)
        progress.advance(10)
        clock[0] = 10.0
        assert progress.summary() == "90/100 slides, 80 reused, 1 slides/s, 10 s left"


def test_null_progress__shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with NullProgress() as progress:
        progress.advance()
        progress.skip()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (180000, "2 d 2 h"),
    ],
)
def test_describe_seconds__uses_the_two_units_that_matter(seconds: float, said: str) -> None:
    assert describe_seconds(seconds) == said
