"""What a site and a request make of a job."""

from pathlib import Path

import pytest

from medvlp.cli.commands.submit_job import JobRequest, choose_gpus, describe_job, job_name
from medvlp.config.site import SiteProfile
from medvlp.config.strict import parse_model
from medvlp.errors import UsageError

REQUEST = JobRequest(
    name="keep",
    nodes=8,
    gpus_per_node=4,
    folder=Path("/runs/50% of it/slurm"),
    start_in=Path("/home/me"),
    arguments=["--config", "x.yaml"],
)


def job(**site):
    return describe_job(parse_model(site, SiteProfile, source="site"), REQUEST)


def test_describe_job__asks_for_nodes_gpus_and_a_log():
    plain = job()
    assert plain.options == {
        "job-name": "keep",
        "nodes": "8",
        "ntasks-per-node": "4",
        "gpus-per-node": "4",
        "output": "/runs/50%% of it/slurm/%x-%j.log",
        "chdir": "/home/me",
    }
    assert plain.arguments == ["--config", "x.yaml"]
    assert REQUEST.log(12) == Path("/runs/50% of it/slurm/keep-12.log")


def test_describe_job__tells_what_the_site_wants():
    made = job(
        cluster="alps",
        partition="gpu",
        account="me",
        qos="high",
        time="1-00",
        cpus_per_task=14,
        mem="0",
        sbatch=["--exclusive", "--constraint=h100"],
        env={"A": "b"},
        max_restarts=3,
        modules=["cuda"],
        venv="/v",
        setup=["true"],
    )
    stated = {"clusters": "alps", "partition": "gpu", "account": "me", "qos": "high"}
    stated |= {"time": "1-00", "cpus-per-task": "14", "mem": "0"}
    stated |= {"exclusive": "", "constraint": "h100"}
    assert stated.items() <= made.options.items()
    assert made.env == {"MEDVLP_MAX_RESTARTS": "3", "A": "b"}
    assert (made.modules, made.venv, made.setup) == (("cuda",), "/v", ("true",))


@pytest.mark.parametrize(
    ("request_", "kind", "options"),
    [
        ("gpus-per-node", None, {"gpus-per-node": "4"}),
        ("gpus-per-node", "h100", {"gpus-per-node": "h100:4"}),
        ("gres", None, {"gres": "gpu:4"}),
        ("gres", "h100", {"gres": "gpu:h100:4"}),
        ("none", None, {}),
    ],
)
def test_describe_job__asks_for_gpus_as_the_site_does(request_, kind, options):
    made = job(gpu_request=request_, gpu_gres=kind)
    assert {k: v for k, v in made.options.items() if k[0] == "g"} == options


@pytest.mark.parametrize(
    ("kind", "srun", "words"),
    [
        ("apptainer", [], ["apptainer", "exec", "--nv", "--bind", "/d d", "/i.sif"]),
        ("singularity", [], ["singularity", "exec", "--nv", "--bind", "/d d", "/i.sif"]),
        ("enroot", [], ["enroot", "start", "--bind", "/d d", "/i.sif"]),
        ("pyxis", ["--container-image=/i.sif", "--bind", "/d d"], []),
    ],
)
def test_describe_job__starts_containers(kind, srun, words):
    made = job(container={"kind": kind, "image": "/i.sif", "options": ["--bind", "/d d"]})
    assert (made.srun_options, made.container) == (srun, words)


def test_request__refuses_a_folder_that_sbatch_reads_otherwise():
    odd = JobRequest(
        name="a", nodes=1, gpus_per_node=1, folder=Path("/a\\b"), start_in=Path("/"), arguments=[]
    )
    with pytest.raises(UsageError, match="backslash"):
        describe_job(SiteProfile(), odd)


def test_choose_gpus__needs_someone_to_say():
    site = SiteProfile(gpus_per_node=8)
    assert choose_gpus(None, site) == 8
    assert choose_gpus(2, site) == 2
    with pytest.raises(UsageError, match="--gpus-per-node 8, or gpus_per_node: 8"):
        choose_gpus(None, SiteProfile())


@pytest.mark.parametrize(
    ("run", "name"),
    [("keep-vitl16", "keep-vitl16"), ("my run/1 \u00e4", "my_run_1_"), ("..", "medvlp-train")],
)
def test_job_name__is_made_of_the_runs(run, name):
    assert job_name(None, run) == name


@pytest.mark.parametrize("name", ["a b", "a/b", "", "-x", "a\n"])
def test_job_name__is_refused_where_it_is_no_part_of_a_file_name(name):
    assert job_name("run_1.b-2", "x") == "run_1.b-2"
    with pytest.raises(UsageError, match="letters, digits"):
        job_name(name, "x")
