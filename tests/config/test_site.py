"""A site profile is read strictly, and no value of it can be more than the value it is."""

from pathlib import Path

import pytest

from medvlp.config.site import SiteProfile, find_site, load_site
from medvlp.config.strict import parse_model
from medvlp.errors import ConfigError

WHOLE = """
cluster: alps
partition: normal
account: a-01
qos: high
time: 24:00:00
gpus_per_node: 8
gpu_request: gres
gpu_gres: h100
cpus_per_task: 14
mem: 480G
gpu: h100-sxm
speeds: {node_gb_per_s: 450, network_gb_per_s: 50.0, samples_per_core: 300, mfu: 0.4}
container: {kind: apptainer, image: /images/medvlp.sif, options: [--bind, "/data:/data"]}
modules: [cuda/12.8]
setup: ["ulimit -n 65536"]
env: {NCCL_DEBUG: WARN, TEXT: "a b'c"}
sbatch: [--exclusive, --constraint=h100&nvme]
max_restarts: 50
"""


def test_load_site__reads_every_key(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text(WHOLE)
    site = load_site(path)
    assert set(site.model_fields_set) == set(SiteProfile.model_fields) - {"venv"}
    assert site.time == "24:00:00"
    assert site.container.options == ("--bind", "/data:/data")
    assert site.env["TEXT"] == "a b'c"


def test_load_site__leaves_all_to_slurm_without_a_file():
    assert load_site(None).partition is None


@pytest.mark.parametrize(
    ("document", "code", "phrase"),
    [
        ({"partiton": "x"}, "MV1001", "did you mean 'partition'"),
        ({"partition": "a b"}, "MV1002", "'a b' is not valid"),
        ({"partition": "a\n#SBATCH --uid=0"}, "MV1002", "is not valid"),
        ({"account": "-x"}, "MV1002", "'-x' is not valid"),
        ({"qos": "$(id)"}, "MV1002", "is not valid"),
        ({"time": "soon"}, "MV1002", "'soon' is not valid; expected minutes"),
        ({"time": 60}, "MV1002", "time=60 is not valid; expected a text"),
        ({"mem": "lots"}, "MV1002", "expected such as"),
        ({"gpus_per_node": 0}, "MV1002", "at least 1"),
        ({"env": {"A B": "x"}}, "MV1002", "the name of a variable"),
        ({"env": {"A;id": "x"}}, "MV1002", "the name of a variable"),
        ({"env": {"A": "x\0y"}}, "MV1002", "without null characters"),
        ({"venv": "/a\n/b"}, "MV1002", "one line"),
        ({"modules": ["a\nid"]}, "MV1002", "one line"),
        ({"sbatch": ["exclusive"]}, "MV1002", "an option such as"),
        ({"sbatch": ["--x=\n#SBATCH --uid=0"]}, "MV1002", "an option such as"),
        ({"sbatch": ["--nodes=3"]}, "MV1002", "decided by 'medvlp submit'"),
        ({"container": {"kind": "docker", "image": "x"}}, "MV1002", "container.kind"),
        ({"venv": "/v", "container": {"kind": "pyxis", "image": "x"}}, "MV1002", "both given"),
    ],
)
def test_site__refuses(document, code, phrase):
    with pytest.raises(ConfigError, match=phrase) as caught:
        parse_model(document, SiteProfile, source="site.yaml")
    assert caught.value.code == code


def test_find_site__takes_the_nearest_statement(tmp_path):
    home = {"HOME": str(tmp_path)}
    assert find_site(None, home) is None
    usual = tmp_path / ".config" / "medvlp" / "site.yaml"
    usual.parent.mkdir(parents=True)
    usual.write_text("partition: usual")
    assert find_site(None, home) == usual
    assert find_site(None, home | {"MEDVLP_SITE": ""}) == usual
    assert find_site(None, home | {"MEDVLP_SITE": "/a.yaml"}) == Path("/a.yaml")
    assert find_site(Path("b.yaml"), home | {"MEDVLP_SITE": "/a.yaml"}) == Path("b.yaml")
    moved = tmp_path / "xdg" / "medvlp" / "site.yaml"
    moved.parent.mkdir(parents=True)
    moved.write_text("partition: moved")
    assert find_site(None, home | {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}) == moved


def test_load_site__says_where_a_file_should_be(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml is not a file"):
        load_site(tmp_path / "none.yaml")
