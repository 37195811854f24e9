"""All that is told of a run before it is queued."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from medvlp.config.gpus import gpu_by_name
from medvlp.data.pairs import MANIFEST_FILE
from medvlp.training.planning.memory import (
    MemoryTerm,
    Precision,
    count_activations,
    dense_loss_bytes,
    loss_terms,
    state_terms,
)
from medvlp.training.planning.sharing import sharing_of
from medvlp.training.planning.sketching import sketch_run
from medvlp.training.planning.timing import StepLoad, StepTimes, time_step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medvlp.config.gpus import GpuFacts
    from medvlp.config.site import SiteProfile
    from medvlp.training.planning.memory import Activations
    from medvlp.training.planning.parsing import ParsedRun
    from medvlp.training.planning.sketches import Sketch

__all__ = ["Part", "RunPlan", "mean_stored_bytes", "plan_run"]

_PATHS = ("folder", "text_from")
"""Keys whose values may also be addresses, so that they are texts."""


@dataclass(frozen=True)
class Part:
    """A part of the networks.

    Attributes:
        name: What it is.
        weights: Number of weights.
        trained: How many of them are trained.
        forward_flops: Operations of one forward pass on one sample; None where not told apart.
    """

    name: str
    weights: int
    trained: int
    forward_flops: int | None = None


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """What a run needs.

    Attributes:
        nodes: Number of nodes.
        gpus_per_node: GPUs of a node.
        batch: Samples of a global batch; None where it is not given so.
        gpu: The GPU.
        parts: The networks; empty where they cannot be told.
        memory: Memory of one GPU by term.
        activations: What is kept between forward and backward pass; None where it cannot be told.
        dense_loss_bytes: What the logits of a dense loss would take; None where there is none.
        times: Seconds of a step; None where they cannot be told.
        load: What they were estimated from.
        stored_bytes: Bytes of a sample on disk; None where the data are not here.
        notes: What was assumed, and what could not be checked.
    """

    nodes: int
    gpus_per_node: int
    batch: int | None
    gpu: GpuFacts
    parts: tuple[Part, ...] = ()
    memory: tuple[MemoryTerm, ...] = ()
    activations: Activations | None = None
    dense_loss_bytes: int | None = None
    times: StepTimes | None = None
    load: StepLoad | None = None
    stored_bytes: float | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def ranks(self) -> int:
        """Number of ranks."""
        return self.nodes * self.gpus_per_node

    @property
    def memory_bytes(self) -> int:
        """Sum of the memory of one GPU."""
        return sum(term.bytes for term in self.memory)

    @property
    def fits(self) -> bool | None:
        """Whether the sum is less than the GPU has; None where not all could be counted."""
        if self.activations is None:
            return None
        return self.memory_bytes < self.gpu.memory_gb * 1e9

    @property
    def bound(self) -> str | None:
        """What bounds the run: ``memory`` where it does not fit, else what a step waits for."""
        if self.fits is False:
            return "memory"
        return self.times.bound if self.times else None

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        values = asdict(self)
        values |= {"ranks": self.ranks, "memory_bytes": self.memory_bytes}
        values |= {"fits": self.fits, "bound": self.bound}
        if self.times is not None and self.batch:
            values["times"] |= {"step_s": self.times.step_s, "exposed_s": self.times.exposed_s}
            values["samples_per_s"] = self.batch / self.times.step_s
        return values


def plan_run(run: ParsedRun, site: SiteProfile, *, nodes: int, gpus_per_node: int) -> RunPlan:
    """Tell what a run needs, without its data and without a GPU.

    Args:
        run: The run.
        site: The cluster.
        nodes: Number of nodes.
        gpus_per_node: GPUs of a node.

    Raises:
        ConfigError: If the site names a GPU that is not known (MV1160).
        ModelError: If a network cannot be built (MV14xx).
    """
    gpu = gpu_by_name(site.gpu)
    plan = _Planning(run, site, gpu, nodes, gpus_per_node)
    sketch = sketch_run(run)
    if sketch is None:
        note = f"recipe {run.config['recipe']!r}: networks cannot be told from the settings alone"
        return RunPlan(
            nodes=nodes,
            gpus_per_node=gpus_per_node,
            batch=run.batch_size,
            gpu=gpu,
            notes=(*plan.missing_files(), note),
        )
    return plan.of(sketch)


class _Planning:
    """Puts a plan together."""

    def __init__(
        self, run: ParsedRun, site: SiteProfile, gpu: GpuFacts, nodes: int, gpus_per_node: int
    ) -> None:
        self._run = run
        self._site = site
        self._gpu = gpu
        self._nodes = nodes
        self._gpus_per_node = gpus_per_node
        self._ranks = nodes * gpus_per_node
        trainer: Mapping[str, Any] = run.config["trainer"]
        self._precision = Precision.named(trainer.get("precision"))
        self._sharing = sharing_of(
            trainer.get("strategy"), ranks=self._ranks, gpus_per_node=gpus_per_node
        )

    def of(self, sketch: Sketch) -> RunPlan:
        """Return the plan."""
        batch = self._run.batch_size
        parts = tuple(
            _describe(name, network, sketch.flops_parts) for name, network in sketch.parts.items()
        )
        terms = state_terms(sketch, self._precision, self._sharing)
        load = self._load(sketch, parts, batch) if batch else None
        activations = None
        if batch:
            per_rank = batch // self._ranks
            activations = count_activations(sketch, self._precision, per_rank)
            terms += self._batch_terms(sketch, activations, batch)
        return RunPlan(
            nodes=self._nodes,
            gpus_per_node=self._gpus_per_node,
            batch=batch,
            gpu=self._gpu,
            parts=parts,
            memory=tuple(terms),
            activations=activations,
            dense_loss_bytes=(
                dense_loss_bytes(batch, self._ranks) if batch and sketch.embed_dim else None
            ),
            stored_bytes=mean_stored_bytes(self._run.config["data"].get("folder")),
            times=time_step(load, self._gpu, self._site.speeds) if load else None,
            load=load,
            notes=(*self.missing_files(), *sketch.notes),
        )

    def _batch_terms(
        self, sketch: Sketch, activations: Activations | None, batch: int
    ) -> list[MemoryTerm]:
        per_rank = batch // self._ranks
        terms = []
        if activations is not None:
            how = f"what {per_rank} samples keep for the backward pass, counted"
            terms.append(MemoryTerm("activations", activations.kept, how))
            if not self._sharing.is_divided:  # else weights are gathered in that type
                how = "weights in the type of autocast, kept for the backward pass, counted"
                terms.append(MemoryTerm("weight copies", activations.weight_copies, how))
        if sketch.embed_dim:
            terms += loss_terms(batch, self._ranks, sketch.embed_dim)
        if sketch.batch_bytes:
            size = per_rank * sketch.batch_bytes
            terms.append(MemoryTerm("samples", size, "pixels as bytes, token ids and mask"))
        return terms

    def _load(self, sketch: Sketch, parts: tuple[Part, ...], batch: int) -> StepLoad | None:
        if sketch.step_flops is None:
            return None
        weights, trained = (sum(getattr(p, key) for p in parts) for key in ("weights", "trained"))
        per_rank = batch // self._ranks
        width, gathered = self._precision.weights, self._precision.gathered
        return StepLoad(
            flops=sketch.step_flops * per_rank,
            moved_bytes=self._sharing.moved_bytes(weights, trained, width=width, gathered=gathered),
            trained=trained,
            joined_bytes=batch * sketch.embed_dim * 4,
            samples=per_rank,
            images=per_rank if sketch.decodes_images else 0,
            workers=int(self._run.config["data"].get("num_workers") or 0),
            nodes=self._nodes,
            gpus_per_node=self._gpus_per_node,
        )

    def missing_files(self) -> list[str]:
        """Return a note for every file or folder of the settings that is not here."""
        places = [
            (f"{section}.{key}", value)
            for section in ("data", "model")
            for key, value in self._run.config[section].items()
            if isinstance(value, Path) or (key in _PATHS and isinstance(value, str))
        ]
        return [
            f"{place}: {value} is not here, and was not checked"
            for place, value in places
            if not Path(value).exists()
        ]


def mean_stored_bytes(folder: Path | str | None) -> float | None:
    """Return the bytes of a sample in the shards of a folder of pairs; None where there are none.

    Args:
        folder: The folder.
    """
    manifest = None if folder is None else Path(folder) / MANIFEST_FILE
    if manifest is None or not manifest.is_file():
        return None
    rows = pq.read_metadata(manifest).num_rows
    sizes = [path.stat().st_size for path in manifest.parent.rglob("*.tar")]
    return sum(sizes) / rows if rows and sizes else None


def _describe(name: str, network: Any, flops: Mapping[str, int]) -> Part:  # noqa: ANN401
    weights = [p.numel() for p in network.parameters()]
    trained = [p.numel() for p in network.parameters() if p.requires_grad]
    tower = name.partition(" ")[0] if name.endswith("tower") else ""
    return Part(name, sum(weights), sum(trained), flops.get(tower))
