"""The script of a job hands on every value as it is, whatever characters it has."""

import subprocess

import pytest

from medvlp.errors import UsageError
from medvlp.jobs.slurm_script import BatchJob, read_body, render_script

HOSTILE = [
    "plain",
    "two words",
    "quote'quote",
    'double"double',
    "back\\slash",
    "$(touch owned) `touch owned` $HOME",
    "; touch owned #",
    "* ? [a]",
    "line\nbreak",
    "-dash",
    "",
    "äöü 漢",
]
SHOW = """
printf '%s\\0' "$@" >arguments
printf '%s\\0' ${srun_options[@]+"${srun_options[@]}"} >srun
printf '%s\\0' ${container[@]+"${container[@]}"} >container
printf '%s' "${VALUE:-}" >value
"""


def run(job: BatchJob, folder, body: str = SHOW) -> subprocess.CompletedProcess[str]:
    script = folder / "job.sbatch"
    script.write_text(render_script(job, "set -uo pipefail\n" + body))
    return subprocess.run(
        ["bash", str(script)], cwd=folder, capture_output=True, text=True, check=False
    )


def words(path) -> list[str]:
    return path.read_text().split("\0")[:-1]


@pytest.mark.parametrize("value", HOSTILE)
def test_script__hands_on_hostile_values(value, tmp_path):
    job = BatchJob(
        options={},
        arguments=["--a", value],
        env={"VALUE": value},
        srun_options=[f"--x={value}"],
        container=["exec", value],
    )
    found = run(job, tmp_path)
    assert (found.returncode, found.stderr) == (0, "")
    assert words(tmp_path / "arguments") == ["--a", value]
    assert words(tmp_path / "srun") == [f"--x={value}"]
    assert words(tmp_path / "container") == ["exec", value]
    assert (tmp_path / "value").read_text() == value
    assert not (tmp_path / "owned").exists()


def test_script__enters_the_environment_before_training(tmp_path):
    venv = tmp_path / "my venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "activate").write_text("VALUE=$VALUE-venv\n")
    job = BatchJob(
        options={},
        arguments=[],
        env={"VALUE": "env"},
        modules=["cuda/12.8", "it's"],
        venv=str(venv),
        setup=["VALUE=$VALUE-setup", 'if true; then VALUE="$VALUE-2"; fi'],
    )
    module = 'module() { echo "$@" >>modules; }\nexport -f module\n'
    (tmp_path / "bashrc").write_text(module)
    script = tmp_path / "job.sbatch"
    script.write_text(render_script(job, SHOW))
    subprocess.run(["bash", "-c", f". {tmp_path}/bashrc; bash {script}"], cwd=tmp_path, check=True)
    assert (tmp_path / "value").read_text() == "env-venv-setup-2"
    assert (tmp_path / "modules").read_text().splitlines() == ["load cuda/12.8", "load it's"]


@pytest.mark.parametrize(
    ("part", "phrase"),
    [
        ({"venv": "/no/such venv"}, "/no/such venv is not a virtual environment"),
        ({"modules": ["no'such"]}, "module no'such cannot be loaded"),
    ],
)
def test_script__gives_up_where_it_cannot_be_entered(part, phrase, tmp_path):
    """Exit code 2 is not tried again."""
    found = run(BatchJob(options={}, arguments=[], **part), tmp_path, "touch trained\n")
    assert found.returncode == 2
    assert phrase in found.stdout
    assert not (tmp_path / "trained").exists()


def test_script__states_options_once_as_sbatch_reads_them():
    job = BatchJob(
        options={
            "job-name": "run-1",
            "output": '/data/my runs/50%% "x"/%x-%j.log',
            "exclusive": "",
            "signal": "SIGUSR1@600",
        },
        arguments=[],
    )
    lines = render_script(job, "body").splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert [line for line in lines if line.startswith("#SBATCH")] == [
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        "#SBATCH --signal=SIGUSR1@600",
        "#SBATCH --job-name=run-1",
        '#SBATCH --output="/data/my runs/50%% \\"x\\"/%x-%j.log"',
        "#SBATCH --exclusive",
    ]


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\tb", "a\0b", "a\u2028b"])
def test_script__refuses_options_that_would_become_others(value):
    job = BatchJob(options={"comment": value}, arguments=[])
    with pytest.raises(UsageError, match="cannot be given to sbatch as --comment"):
        render_script(job, "body")


def test_read_body__is_what_starts_training():
    body = read_body()
    assert "srun" in body
    assert 'medvlp train fit "$@"' in body
    for part in ("srun_options", "container"):
        assert f'${{{part}[@]+"${{{part}[@]}}"}}' in body


def test_script__is_bash(tmp_path):
    script = tmp_path / "job.sbatch"
    script.write_text(render_script(BatchJob(options={}, arguments=["a'b"]), read_body()))
    subprocess.run(["bash", "-n", str(script)], check=True)


@pytest.mark.parametrize(("setup", "expected"), [((), "of the shell"), (["true"], "")])
def test_script__with_its_own_setup_takes_none_of_the_shell_that_submits(
    setup, expected, tmp_path, monkeypatch
):
    monkeypatch.setenv("MEDVLP_SETUP", "of the shell")
    body = 'printf "%s" "${MEDVLP_SETUP:-}" >setup'
    assert run(BatchJob(options={}, arguments=[], setup=setup), tmp_path, body).returncode == 0
    assert (tmp_path / "setup").read_text() == expected
