"""``medvlp submit``: check a run, tell what it will need, and queue it on a cluster."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from medvlp.cli.commands.submit_job import JobRequest, choose_gpus, describe_job, job_name
from medvlp.config.site import SiteProfile, find_site, load_site
from medvlp.config.strict import parse_model
from medvlp.errors import MedvlpError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.jobs.slurm import JobState, SubmittedJob
    from medvlp.training.planning.plan import RunPlan

__all__ = ["submit"]

_DECIDED = ("--trainer.num_nodes", "--trainer.devices", "--config", "-c")
_INTERRUPTED = 130


@dataclass(frozen=True)
class _Written:
    """What was written for a job.

    Attributes:
        script: The sbatch script.
        text: Its text.
        request: What it asks for.
    """

    script: Path
    text: str
    request: JobRequest


def submit(
    config: Path,
    *words: Annotated[str, Parameter(allow_leading_hyphen=True)],
    nodes: int = 1,
    gpus_per_node: int | None = None,
    name: str | None = None,
    site: Path | None = None,
    time: str | None = None,
    dry_run: bool = False,
    follow: bool = False,
    json_output: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Queue a training run on a cluster with SLURM: medvlp submit CONFIG.yaml --nodes 8.

    Args:
        config: The run's configuration, as for 'medvlp train fit --config'.
        words: Behind '--': further settings, as for 'medvlp train fit'.
        nodes: Number of nodes.
        gpus_per_node: GPUs of a node, one process each; the site profile may say it.
        name: Name of the job; the run's name by default.
        site: Profile of the cluster; by default where MEDVLP_SITE points, else
            ~/.config/medvlp/site.yaml.
        time: Wall time of one start of the job, in place of the site's.
        dry_run: Only tell what the run will need; nothing is written.
        follow: Show the job's log until it is over, and end with its exit code.
        json_output: Print JSON for programs.

    Returns:
        0 if the job is queued, or has finished where it was followed; else the job's exit code.
    """
    _check_words(words, nodes)
    profile = load_site(find_site(site))
    if time is not None:
        override = parse_model({"time": time}, SiteProfile, source="--time")
        profile = profile.model_copy(update={"time": override.time})
    gpus = choose_gpus(gpus_per_node, profile)

    from medvlp.training.planning.parsing import check_ranks, parse_run

    run = parse_run(_train_words(config, words, nodes, gpus))
    check_ranks(run, nodes, gpus)
    folder = run.settings.folder.absolute() / "slurm"
    request = JobRequest(
        name=job_name(name, run.settings.name),
        nodes=nodes,
        gpus_per_node=gpus,
        folder=folder,
        start_in=Path.cwd(),
        arguments=["--config", str(folder / "config.yaml"), *words],
    )
    from medvlp.jobs.slurm_script import read_body, render_script

    text = render_script(describe_job(profile, request), read_body())
    written = _Written(folder / "job.sbatch", text, request)
    if dry_run:
        from medvlp.training.planning.plan import plan_run

        _tell(plan_run(run, profile, nodes=nodes, gpus_per_node=gpus), written, json_output)
        return 0

    from medvlp.training.run import prepare_run_folder

    _refuse_second_job(folder)
    prepare_run_folder(run.settings)
    _write(written, config)
    job = _queue(written)
    log = request.log(job.number)
    _show(
        {"job": job.number, "cluster": job.cluster, "script": str(written.script), "log": str(log)},
        as_json=json_output,
    )
    return _follow(job, log) if follow else 0


def _check_words(words: Sequence[str], nodes: int) -> None:
    if nodes < 1:
        raise UsageError("MV1002", f"--nodes {nodes} is not valid", expected="at least 1")
    for word in words:
        key = word.partition("=")[0]
        if key in _DECIDED:
            raise UsageError(
                "MV1002",
                f"{key} stands among the settings of training, and would have no effect",
                expected="one configuration, --nodes and --gpus-per-node",
            )


def _train_words(config: Path, words: Sequence[str], nodes: int, gpus: int) -> list[str]:
    counts = [f"--trainer.num_nodes={nodes}", f"--trainer.devices={gpus}"]
    return ["fit", "--config", str(config), *words, *counts]


def _refuse_second_job(folder: Path) -> None:
    """Refuse to queue a run twice: two jobs would train in one folder."""
    from medvlp.jobs.slurm import SubmittedJob, job_state

    path = folder / "job.json"
    if not path.is_file():
        return
    known = json.loads(path.read_text(encoding="utf-8"))
    try:
        state = job_state(SubmittedJob(int(known["job"]), str(known["cluster"])))
    except MedvlpError:  # no cluster here, or it does not answer: sbatch will say so
        return
    if not state.is_over:
        raise UsageError(
            "MV1166",
            f"job {known['job']} of this run is {state.name} (see {path})",
            expected="one job at a time for a run.folder",
            hint=f"wait for it, end it with: scancel {known['job']}, or choose another run.folder",
        )


def _write(written: _Written, config: Path) -> None:
    """Write the script, and the configuration that was checked beside it."""
    from medvlp.io import publish_file

    written.script.parent.mkdir(parents=True, exist_ok=True)
    content = config.read_bytes()
    with publish_file(written.script.parent / "config.yaml") as partial:
        partial.write_bytes(content)
    with publish_file(written.script) as partial:
        partial.write_text(written.text, encoding="utf-8")


def _queue(written: _Written) -> SubmittedJob:
    from medvlp.io import write_json
    from medvlp.jobs.slurm import submit_script

    job = submit_script(written.script)
    write_json(
        written.script.parent / "job.json",
        {
            "job": job.number,
            "cluster": job.cluster,
            "nodes": written.request.nodes,
            "gpus_per_node": written.request.gpus_per_node,
            "log": str(written.request.log(job.number)),
        },
    )
    return job


def _tell(plan: RunPlan, written: _Written, as_json: bool) -> None:
    """Print what a run needs, and the head of the script that would be written."""
    if as_json:
        facts = {"script": str(written.script), "text": written.text, "plan": plan.to_dict()}
        sys.stdout.write(json.dumps(facts, indent=1) + "\n")
        return
    from medvlp.training.planning.table import plan_lines

    for line in plan_lines(plan, written.request.name):
        sys.stdout.write(line + "\n")
    sys.stdout.write(f"script (not written): {written.script}\n")
    for line in written.text.partition("\nset -- ")[0].splitlines():
        sys.stdout.write(f"  {line}\n")


def _show(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=1) + "\n")
        return
    for key, value in facts.items():
        if value:
            sys.stdout.write(f"{key}: {value}\n")
    if "job" in facts:
        log, run = (shlex.quote(str(p)) for p in (facts["log"], Path(facts["script"]).parents[1]))
        sys.stdout.write(f"watch: tail -F {log}; medvlp status {run}\n")


def _follow(job: SubmittedJob, log: Path) -> int:
    from medvlp.jobs.slurm import follow_job

    def tell(state: JobState) -> None:
        restarts = f", restart {state.restarts}" if state.restarts else ""
        reason = f" ({state.reason})" if state.reason not in {"", "None"} else ""
        sys.stderr.write(f"job {job.number}: {state.name}{restarts}{reason}\n")

    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    try:
        return follow_job(job, log, write, tell).exit_code
    except KeyboardInterrupt:
        sys.stderr.write(f"job {job.number} goes on; end it with: scancel {job.number}\n")
        return _INTERRUPTED
