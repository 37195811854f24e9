"""How long a step takes by what it does: products, messages, memory traffic and samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medvlp.config.gpus import GpuFacts
    from medvlp.config.site import Speeds

__all__ = ["ASSUMED_MFU", "ASSUMED_SAMPLES_PER_CORE", "StepLoad", "StepTimes", "time_step"]

ASSUMED_MFU = 0.35
"""Share of the peak that is assumed: 35 to 45 % was reached on A100, 20 to 40 % on H100."""
ASSUMED_SAMPLES_PER_CORE = 200.0
"""Decoded tiles of 224 px a second and core that are assumed; measure with benchmarks/loader.py."""
_NETWORK_GB_PER_S = 50.0
"""One direction of NDR InfiniBand, 400 Gb/s, for each GPU."""
_ADAM_BYTES = 28
"""Traffic of AdamW for a weight in fp32: reads weight, gradient and two moments, writes three."""
_BACKWARD_SHARE = 2 / 3


@dataclass(frozen=True, kw_only=True)
class StepLoad:
    """What one step asks of one GPU.

    Attributes:
        flops: Operations.
        moved_bytes: Bytes of weights and gradients that ranks exchange.
        trained: Number of weights that are trained.
        joined_bytes: Bytes of the embeddings of all ranks.
        samples: Samples of one rank.
        images: How many of them are decoded images; 0 where the time of loading is not known.
        workers: Loader processes of one rank.
        nodes: Number of nodes.
        gpus_per_node: GPUs of a node.
    """

    flops: int
    moved_bytes: int
    trained: int
    joined_bytes: int
    samples: int
    images: int
    workers: int
    nodes: int
    gpus_per_node: int

    @property
    def ranks(self) -> int:
        """Number of ranks."""
        return self.nodes * self.gpus_per_node


@dataclass(frozen=True, kw_only=True)
class StepTimes:
    """Seconds of a step, by what takes them.

    Attributes:
        compute_s: Operations at the assumed share of the peak.
        peak_s: Operations at the whole peak, which no training reaches.
        optimizer_s: Memory traffic of AdamW.
        weights_s: Exchange of weights and gradients; overlaps with the backward pass.
        embeddings_s: Exchange of embeddings and of their gradients; overlaps with nothing.
        data_s: Reading and decoding images; overlaps with the step before.
        mfu: The assumed share of the peak.
        samples_per_core: The assumed images a second and core.
        link_gb_per_s: The slower of the links that messages take.
    """

    compute_s: float
    peak_s: float
    optimizer_s: float
    weights_s: float
    embeddings_s: float
    data_s: float
    mfu: float
    samples_per_core: float
    link_gb_per_s: float

    @property
    def exposed_s(self) -> float:
        """Seconds of messages that do not overlap with computing."""
        return self.embeddings_s + max(0.0, self.weights_s - _BACKWARD_SHARE * self.compute_s)

    @property
    def gpu_s(self) -> float:
        """Seconds of a step as far as GPUs go."""
        return self.compute_s + self.optimizer_s + self.exposed_s

    @property
    def step_s(self) -> float:
        """Expected seconds of a step."""
        return max(self.gpu_s, self.data_s)

    @property
    def bound(self) -> str:
        """What takes longest: ``data``, ``communication`` or ``compute``."""
        if self.data_s > self.gpu_s:
            return "data"
        return "communication" if self.exposed_s > self.compute_s else "compute"


def time_step(load: StepLoad, gpu: GpuFacts, speeds: Speeds) -> StepTimes:
    """Estimate how long a step takes.

    Messages follow the ring: (W - 1) / W of what is exchanged passes the link of each rank; to
    average gradients takes two exchanges, to join embeddings one, and one of their gradients.
    Between nodes all GPUs of a node send at once, each over its own share of the network.

    Args:
        load: What a step asks for.
        gpu: The GPU.
        speeds: What is known of the cluster.
    """
    mfu = speeds.mfu or ASSUMED_MFU
    per_core = speeds.samples_per_core or ASSUMED_SAMPLES_PER_CORE
    link = speeds.node_gb_per_s or gpu.link_gb_per_s
    if load.nodes > 1:
        network = (speeds.network_gb_per_s or _NETWORK_GB_PER_S) * load.gpus_per_node
        link = min(link, network)
    share = (load.ranks - 1) / load.ranks
    peak_s = load.flops / (gpu.bf16_tflops * 1e12)
    return StepTimes(
        compute_s=peak_s / mfu,
        peak_s=peak_s,
        optimizer_s=load.trained * _ADAM_BYTES / (gpu.memory_gb_per_s * 1e9),
        weights_s=share * load.moved_bytes / (link * 1e9),
        embeddings_s=2 * share * load.joined_bytes / (link * 1e9),
        data_s=load.images / (max(load.workers, 1) * per_core),
        mfu=mfu,
        samples_per_core=per_core,
        link_gb_per_s=link,
    )
