"""Seconds of a step, worked by hand."""

from dataclasses import replace

import pytest

from medvlp.config.gpus import gpu_by_name
from medvlp.config.site import Speeds
from medvlp.training.planning.timing import ASSUMED_MFU, StepLoad, time_step

GPU = gpu_by_name("h100-sxm")
LOAD = StepLoad(
    flops=int(989.4e12),
    moved_bytes=int(2e9),
    trained=250_000_000,
    joined_bytes=int(4e8),
    samples=64,
    images=64,
    workers=8,
    nodes=1,
    gpus_per_node=8,
)


def test_time_step__by_hand():
    times = time_step(LOAD, GPU, Speeds(mfu=0.5, samples_per_core=100.0))
    assert times.peak_s == pytest.approx(1.0)
    assert times.compute_s == pytest.approx(2.0)
    assert times.optimizer_s == pytest.approx(0.25 * 28 / 3350)
    assert times.weights_s == pytest.approx(2 * 7 / 8 / 450)
    assert times.embeddings_s == pytest.approx(2 * 7 / 8 * 0.4 / 450)
    assert times.data_s == pytest.approx(64 / 800)
    assert times.step_s == pytest.approx(2.0 + times.optimizer_s + times.embeddings_s)
    assert times.bound == "compute"


def test_time_step__states_what_it_assumes():
    times = time_step(LOAD, GPU, Speeds())
    assert times.compute_s == pytest.approx(1 / ASSUMED_MFU)
    assert (times.mfu, times.samples_per_core) == (ASSUMED_MFU, 200.0)


def test_time_step__takes_the_slower_link_between_nodes():
    two = replace(LOAD, nodes=2)
    assert time_step(LOAD, GPU, Speeds()).link_gb_per_s == 450
    assert time_step(two, GPU, Speeds()).link_gb_per_s == 8 * 50
    assert time_step(two, GPU, Speeds(network_gb_per_s=100.0)).link_gb_per_s == 450
    slow = time_step(two, GPU, Speeds(network_gb_per_s=1.0))
    assert slow.weights_s == pytest.approx(2 * 15 / 16 / 8)


def test_times__are_bound_by_what_takes_longest():
    data = time_step(replace(LOAD, workers=0), GPU, Speeds(samples_per_core=1.0))
    assert data.data_s == 64
    assert (data.bound, data.step_s) == ("data", 64)
    messages = time_step(LOAD, GPU, Speeds(node_gb_per_s=0.05))
    assert messages.weights_s > messages.compute_s
    overlap = 2 / 3 * messages.compute_s
    assert messages.exposed_s == pytest.approx(messages.weights_s - overlap + messages.embeddings_s)
    assert messages.bound == "communication"


def test_time_step__sends_nothing_on_one_gpu():
    times = time_step(replace(LOAD, gpus_per_node=1), GPU, Speeds())
    assert times.weights_s == times.embeddings_s == 0.0


def test_time_step__knows_nothing_of_loading_texts():
    times = time_step(replace(LOAD, images=0), GPU, Speeds(samples_per_core=0.001))
    assert times.data_s == 0.0
    assert times.bound == "compute"
