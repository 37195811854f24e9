"""One cluster for all tests of a process, and the run that nothing happens to."""

from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, why_not
from tests.slurm.training_jobs import arguments, submit
from tests.training.conftest import striped_pairs  # noqa: F401  # a fixture

PATIENCE_S = 900
"""How long a job is waited for: on a loaded machine a start takes a minute."""


def pytest_collection_modifyitems(items):
    """Skip what needs a cluster where there can be none; a cluster takes its time."""
    for item in items:
        if item.get_closest_marker("slurm"):
            item.add_marker(pytest.mark.timeout(3 * PATIENCE_S))
            item.add_marker(pytest.mark.skipif(bool(why_not()), reason=why_not() or "no reason"))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Two nodes."""
    with Cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture(scope="session")
def undisturbed(cluster, striped_pairs, tmp_path_factory) -> Path:  # noqa: F811
    """The folder of a run on two nodes that nothing happens to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    job = submit(cluster, folder, arguments(striped_pairs, folder / "run"), "--nodes=2")
    facts = cluster.wait_until_over(job, PATIENCE_S)
    assert facts["JobState"] == "COMPLETED", (folder / "job.log").read_text()[-3000:]
    return folder / "run"
