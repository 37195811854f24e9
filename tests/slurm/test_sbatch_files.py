"""The sbatch files: each names a configuration that exists, and SLURM takes it."""

import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "slurm").glob("*.sbatch"))
TRAINING = {path.stem: path for path in FILES if "train_job.sh" in path.read_text()}
STAGES = [path for name, path in TRAINING.items() if name != "train"]


def config_of(path: Path) -> Path:
    words = path.read_text().splitlines()[-1].split()
    return ROOT / words[words.index("--config") + 1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_sbatch_file__is_a_head_and_one_command(path):
    lines = path.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    for word in ("# Purpose:", "# Command:"):
        assert any(line.startswith(word) for line in lines)
    assert [line for line in lines if not line.startswith("#")] == lines[-1:]
    assert lines[-1].startswith("source medvlp/jobs/")
    assert lines[-1].endswith('"$@"')
    assert (ROOT / lines[-1].split()[1]).is_file()
    options = {line.split()[1].partition("=")[0] for line in lines if line.startswith("#SBATCH")}
    assert {"--requeue", "--open-mode", "--output"} <= options
    assert ("--signal" in options) == (path.stem in TRAINING)
    subprocess.run(["bash", "-n", str(path)], check=True)


@pytest.mark.parametrize("path", STAGES, ids=lambda path: path.stem)
def test_sbatch_file__names_a_configuration_whose_command_is_its_own(path):
    config = config_of(path)
    assert "run" in yaml.safe_load(config.read_text())
    told = " ".join(path.read_text().split("# Hardware")[0].replace("\n#", " ").split())
    stated = config.read_text().split("# Hardware")[0].replace("\n#", " ")
    for word in told.split(f"{path.name} ")[1].split():
        assert word in stated or word in {"TUMOURS", "SCANS"}, f"{word} is not in {config.name}"


def test_sbatch_files__cover_every_configuration_of_a_publication():
    published = {"keep/stage1.yaml", "keep/stage2_vitl16.yaml", "devide/full.yaml"}
    published |= {f"renalclip/{path.name}" for path in (ROOT / "configs/renalclip").glob("*_full*")}
    named = {str(config_of(path).relative_to(ROOT / "configs")) for path in STAGES}
    assert published <= named


@pytest.mark.slurm
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_sbatch_file__is_taken_by_slurm(path, cluster):
    cluster.submit("--test-only", str(path), "--run.folder=x")
