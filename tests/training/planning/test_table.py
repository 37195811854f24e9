"""A plan is told line by line; what could not be counted is said."""

from dataclasses import replace

from medvlp.config.gpus import gpu_by_name
from medvlp.config.site import Speeds
from medvlp.training.planning.memory import Activations, MemoryTerm
from medvlp.training.planning.plan import Part, RunPlan
from medvlp.training.planning.table import plan_lines
from medvlp.training.planning.timing import StepLoad, time_step

GIB = 2**30
GPU = gpu_by_name("h100-sxm")
LOAD = StepLoad(
    flops=int(32.5e12),
    moved_bytes=int(4e9),
    trained=10**9,
    joined_bytes=10**7,
    samples=64,
    images=64,
    workers=4,
    nodes=2,
    gpus_per_node=8,
)
PLAN = RunPlan(
    nodes=2,
    gpus_per_node=8,
    batch=1024,
    gpu=GPU,
    parts=(Part("image tower", 1000, 900, 41_100_000_000), Part("text tower", 500, 0)),
    memory=(MemoryTerm("weights", 3 * GIB, "counted"), MemoryTerm("gradients", GIB, "as many")),
    activations=Activations(2 * GIB, 0, GIB // 2),
    dense_loss_bytes=GIB,
    times=time_step(LOAD, GPU, Speeds(mfu=0.5, samples_per_core=100.0)),
    load=LOAD,
    stored_bytes=20_000.0,
    notes=("something is not here",),
)


def told(plan: RunPlan) -> list[str]:
    return list(plan_lines(plan, "run"))


def test_lines__tell_parts_and_memory():
    lines = told(PLAN)
    assert lines[0] == "run: 2 x 8 = 16 GPUs h100-sxm, batches of 1024: 64 a GPU"
    assert "image tower                    1,000             900  41.1" in lines
    assert "sum                            1,500             900" in lines
    assert "weights                  3.00  counted" in lines
    assert "sum                      4.00  of 74.51 (80 GB): fits" in lines
    assert "activations with every block computed anew: 0.50 GiB in their place" in lines
    assert "logits of a dense loss that joins both sides: 1.000 GiB in their place" in lines
    assert lines[-1] == "note: something is not here"


def test_lines__tell_times_and_data():
    lines = told(PLAN)
    peak, rate = "65.7", 1024 / PLAN.times.step_s / 2
    assert any(
        line.startswith(f"products            {peak:>9}  32.5 TFLOP at 50%") for line in lines
    )
    assert any(line.startswith("weights, gradients") and "at 400 GB/s" in line for line in lines)
    assert any("64 by 4 processes at 100 a second (assumed)" in line for line in lines)
    size = f"{rate * 20_000 / 1e6:,.1f} MB/s from disk"
    assert f"data of a node: {rate:,.0f} samples/s, {rate / 100:.0f} cores, {size}" in lines
    assert "bound by data: raise data.num_workers as far as there are cores" in lines


def test_lines__leave_out_what_is_not_known():
    bare = RunPlan(nodes=1, gpus_per_node=1, batch=None, gpu=GPU, notes=("nothing is known",))
    assert told(bare) == ["run: 1 x 1 = 1 GPUs h100-sxm", "note: nothing is known"]
    uncounted = "\n".join(told(replace(PLAN, activations=None)))
    assert "activations cannot be counted for this recipe" in uncounted
    texts = "\n".join(told(replace(PLAN, load=replace(LOAD, images=0), stored_bytes=None)))
    assert "images  " not in texts
    assert "bytes are not known without data.folder" in texts


def test_lines__advise_where_it_does_not_fit():
    large = replace(PLAN, memory=(MemoryTerm("weights", 100 * GIB, "x"),))
    lines = told(large)
    assert "sum                    100.00  of 74.51 (80 GB): does not fit" in lines
    assert "bound by memory: take more GPUs, a smaller batch, or compute blocks anew" in lines
