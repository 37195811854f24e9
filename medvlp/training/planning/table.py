"""A run's plan as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medvlp.training.planning.memory import MemoryTerm
    from medvlp.training.planning.plan import RunPlan
    from medvlp.training.planning.timing import StepLoad, StepTimes

__all__ = ["plan_lines"]

_GIB = 2**30


def plan_lines(plan: RunPlan, name: str) -> Iterator[str]:
    """Yield the lines that tell what a run needs.

    Args:
        plan: The plan.
        name: Name of the run.
    """
    batch = f", batches of {plan.batch}: {plan.batch // plan.ranks} a GPU" if plan.batch else ""
    yield (
        f"{name}: {plan.nodes} x {plan.gpus_per_node} = {plan.ranks} GPUs {plan.gpu.name}{batch}"
    )
    yield from _parts(plan)
    yield from _memory(plan)
    if plan.times is not None and plan.load is not None:
        yield from _times(plan, plan.times, plan.load)
    if plan.bound is not None:
        yield f"bound by {plan.bound}{_advice(plan)}"
    for note in plan.notes:
        yield f"note: {note}"


def _parts(plan: RunPlan) -> Iterator[str]:
    if not plan.parts:
        return
    yield f"{'part':<20}{'weights':>16}{'trained':>16}  GFLOP a sample, forward"
    for part in plan.parts:
        flops = f"  {part.forward_flops / 1e9:.1f}" if part.forward_flops else ""
        yield f"{part.name:<20}{part.weights:>16,}{part.trained:>16,}{flops}"
    weights, trained = (
        sum(getattr(part, key) for part in plan.parts) for key in ("weights", "trained")
    )
    yield f"{'sum':<20}{weights:>16,}{trained:>16,}"


def _memory(plan: RunPlan) -> Iterator[str]:
    if not plan.memory:
        return
    yield f"{'memory of a GPU':<20}{'GiB':>9}"
    for term in plan.memory:
        yield _memory_line(term)
    capacity = plan.gpu.memory_gb * 1e9 / _GIB
    verdict = {
        True: "fits",
        False: "does not fit",
        None: "activations cannot be counted for this recipe",
    }[plan.fits]
    of = f"of {capacity:.2f} ({plan.gpu.memory_gb:g} GB): {verdict}"
    yield f"{'sum':<20}{plan.memory_bytes / _GIB:>9.2f}  {of}"
    yield "not counted: CUDA's context, buffers of NCCL, working memory of single operations"
    kept = plan.activations
    if kept is not None and kept.recomputed is not None:
        recomputed = f"{kept.recomputed / _GIB:.2f}"
        yield f"activations with every block computed anew: {recomputed} GiB in their place"
    if plan.dense_loss_bytes is not None:
        size = plan.dense_loss_bytes / _GIB
        yield f"logits of a dense loss that joins both sides: {size:.3f} GiB in their place"


def _memory_line(term: MemoryTerm) -> str:
    return f"{term.name:<20}{term.bytes / _GIB:>9.2f}  {term.how}"


def _times(plan: RunPlan, times: StepTimes, load: StepLoad) -> Iterator[str]:
    peak = plan.gpu.bf16_tflops
    yield f"{'step':<20}{'ms':>9}"
    yield _time_line(
        "products",
        times.compute_s,
        f"{load.flops / 1e12:.1f} TFLOP at {times.mfu:.0%} of {peak:g} TFLOP/s (assumed); "
        f"{times.peak_s * 1000:.1f} ms at the whole peak",
    )
    yield _time_line("AdamW", times.optimizer_s, "at the speed of the GPU's memory")
    if load.ranks > 1:
        link = f"at {times.link_gb_per_s:g} GB/s"
        size = f"{load.moved_bytes / 1e9:.2f} GB"
        yield _time_line("weights, gradients", times.weights_s, f"{size} {link}, while computing")
        size = f"{load.joined_bytes / 1e9:.4f} GB"
        yield _time_line("embeddings", times.embeddings_s, f"{size} joined, and back, {link}")
    if load.images:
        how = f"{load.images} by {max(load.workers, 1)} processes at {times.samples_per_core:g} a "
        yield _time_line("images", times.data_s, f"{how}second (assumed), while computing")
    rate = load.samples * load.ranks / times.step_s
    yield _time_line("expected", times.step_s, f"{rate:,.0f} samples/s")
    rate /= load.nodes
    cores = f", {rate / times.samples_per_core:.0f} cores" if load.images else ""
    line = f"data of a node: {rate:,.0f} samples/s{cores}"
    if plan.stored_bytes is None:
        yield f"{line}; bytes are not known without data.folder"
    else:
        yield f"{line}, {rate * plan.stored_bytes / 1e6:,.1f} MB/s from disk"


def _time_line(name: str, seconds: float, how: str) -> str:
    return f"{name:<20}{seconds * 1000:>9.1f}  {how}"


def _advice(plan: RunPlan) -> str:
    if plan.bound == "memory":
        return ": take more GPUs, a smaller batch, or compute blocks anew"
    if plan.bound == "data":
        return ": raise data.num_workers as far as there are cores"
    return ""
