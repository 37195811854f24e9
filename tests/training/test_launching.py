"""What a process is told by its launcher, what it refuses to start with, and how it ends."""

import pytest
import torch

from medvlp.cli.main import main
from medvlp.errors import DataError, MedvlpError, OutputError, UsageError, WorkerError
from medvlp.training.launching import check_launch, exit_code, launched_rank, was_started_again

SLURM = ("NTASKS", "NTASKS_PER_NODE", "NNODES", "PROCID", "JOB_NAME", "RESTART_COUNT")
GPUS = ("GPUS_ON_NODE", "STEP_GPUS", "JOB_GPUS")


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", *(f"SLURM_{name}" for name in (*SLURM, *GPUS))):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def gpus(monkeypatch):
    """Return a function that says how many GPUs torch sees."""

    def choose(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    choose(0)
    return choose


def under_slurm(monkeypatch, **variables: object) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))


def refusal(**settings: object) -> UsageError:
    with pytest.raises(UsageError) as caught:
        check_launch(settings)
    return caught.value


@pytest.mark.parametrize(
    ("stated", "rank"),
    [
        ({}, 0),
        ({"RANK": "5", "LOCAL_RANK": "1"}, 5),
        ({"SLURM_PROCID": "3"}, 3),
        ({"LOCAL_RANK": "1"}, 1),
        ({"RANK": "", "LOCAL_RANK": "2"}, 2),
        ({"SLURM_PROCID": "0", "LOCAL_RANK": "1"}, 0),
        ({"SLURM_JOB_NAME": "bash", "SLURM_PROCID": "0", "LOCAL_RANK": "1"}, 1),
        ({"SLURM_JOB_NAME": "interactive", "SLURM_PROCID": "0"}, 0),
    ],
)
def test_launched_rank__is_what_the_launcher_says(stated, rank, monkeypatch) -> None:
    for name, value in stated.items():
        monkeypatch.setenv(name, value)
    assert launched_rank() == rank


def test_was_started_again__is_what_slurm_counts(monkeypatch) -> None:
    assert not was_started_again()
    under_slurm(monkeypatch, RESTART_COUNT=0)
    assert not was_started_again()
    under_slurm(monkeypatch, RESTART_COUNT=3)
    assert was_started_again()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("MV1002", "x"), 2),
        (DataError("MV1750", "x"), 2),
        (DataError("MV1709", "x"), 2),
        (OutputError("MV1704", "x"), 2),
        (OutputError("MV1105", "a full disk"), 1),
        (OutputError("MV1106", "a disk that fails"), 1),
        (DataError("MV1712", "a state that only some ranks see"), 1),
        (DataError("MV1820", "a network that fails"), 1),
        (WorkerError("MV1601", "a process that crashed"), 1),
    ],
)
def test_exit_code__is_2_where_another_try_ends_alike(error: MedvlpError, code: int) -> None:
    assert exit_code(error) == code


def test_command__ends_with_2_where_another_try_ends_alike(smoke_args, tmp_path, capsys) -> None:
    assert main(["train", *smoke_args, f"--data.folder={tmp_path}"]) == 2
    assert "MV1701" in capsys.readouterr().err


@pytest.mark.usefixtures("gpus")
def test_check_launch__takes_processors_where_nobody_asked_for_more() -> None:
    check_launch({"accelerator": "auto", "devices": "auto", "num_nodes": 1})
    check_launch({"accelerator": "cpu", "devices": 4, "num_nodes": 1})
    check_launch({})


@pytest.mark.usefixtures("gpus")
def test_check_launch__refuses_a_gpu_that_is_not_there(smoke_args, monkeypatch) -> None:
    assert refusal(accelerator="gpu", devices=1).code == "MV1180"
    assert main(["train", *smoke_args, "--trainer.accelerator=gpu"]) == 2
    under_slurm(monkeypatch, GPUS_ON_NODE=2)
    found = refusal(accelerator="auto")
    assert found.code == "MV1180"
    assert "SLURM_GPUS_ON_NODE=2" in found.what
    check_launch({"accelerator": "cpu"})


def test_check_launch__refuses_more_processes_than_gpus(gpus) -> None:
    gpus(2)
    for devices in ("auto", -1, 1, 2, "2", "0,1", [1]):
        check_launch({"accelerator": "gpu", "devices": devices})
    for devices in (3, "3", [0, 1, 2], "0,1,2"):
        found = refusal(accelerator="gpu", devices=devices)
        assert found.code == "MV1181"
        assert "trainer.devices=3" in found.what


@pytest.mark.usefixtures("gpus")
def test_check_launch__compares_with_what_slurm_started(monkeypatch) -> None:
    under_slurm(monkeypatch, NTASKS=4, NNODES=2)
    assert "4 on 2 nodes" in refusal(accelerator="cpu", devices=2, num_nodes=2).what
    under_slurm(monkeypatch, NTASKS_PER_NODE=2)
    check_launch({"accelerator": "cpu", "devices": 2, "num_nodes": 2})
    for devices, nodes in ((4, 2), (2, 1), ("auto", 2)):
        found = refusal(accelerator="cpu", devices=devices, num_nodes=nodes)
        assert found.code == "MV1182"
        assert "2 on each of 2 nodes" in found.what
    under_slurm(monkeypatch, JOB_NAME="interactive")
    check_launch({"accelerator": "cpu"})
