"""What GPUs can do, as their makers' data sheets state it; for estimates and shares of a peak.

Peaks are those of dense bf16 matrix products with fp32 sums, in 10^12 operations a second; a
multiplication and its addition are two. Memory is counted in 10^9 bytes, as on the data sheets.
"""

from __future__ import annotations

from dataclasses import dataclass

from medvlp.errors import ConfigError, nearest_name

__all__ = ["GPUS", "GpuFacts", "gpu_by_name", "gpu_of_device"]


@dataclass(frozen=True, kw_only=True)
class GpuFacts:
    """A model of GPU.

    Attributes:
        name: Name in site profiles.
        devices: Parts of the name that its driver tells, all of which must be there.
        bf16_tflops: Peak of dense bf16 matrix products.
        memory_gb: Memory in 10^9 bytes.
        memory_gb_per_s: Speed of the memory.
        link_gb_per_s: Speed to the other GPUs of a node, one direction, all links together.
        source: Data sheet that says so.
    """

    name: str
    devices: tuple[str, ...]
    bf16_tflops: float
    memory_gb: float
    memory_gb_per_s: float
    link_gb_per_s: float
    source: str


def _gpu(
    name: str, devices: str, tflops: float, memory: tuple[float, float], *, link: float, sheet: str
) -> GpuFacts:
    return GpuFacts(
        name=name,
        devices=tuple(devices.split("+")),
        bf16_tflops=tflops,
        memory_gb=memory[0],
        memory_gb_per_s=memory[1],
        link_gb_per_s=link,
        source=f"NVIDIA {sheet} data sheet",
    )


GPUS = {
    gpu.name: gpu
    for gpu in (
        # Narrower names first: the first whose parts are all in a device's name is taken.
        _gpu("h100-pcie", "H100+PCIe", 756.0, (80, 2000), link=300, sheet="H100 PCIe"),
        _gpu("h100-nvl", "H100+NVL", 835.0, (94, 3900), link=300, sheet="H100 NVL"),
        _gpu("gh200", "GH200", 989.4, (96, 4000), link=450, sheet="GH200"),
        _gpu("h200", "H200", 989.4, (141, 4800), link=450, sheet="H200"),
        _gpu("h100-sxm", "H100+HBM3", 989.4, (80, 3350), link=450, sheet="H100"),
        _gpu("a100-40gb", "A100+40GB", 312.0, (40, 1555), link=300, sheet="A100"),
        _gpu("a100-80gb", "A100+80GB", 312.0, (80, 2039), link=300, sheet="A100"),
        _gpu("l40s", "L40S", 362.0, (48, 864), link=32, sheet="L40S"),
        _gpu("a40", "A40", 149.7, (48, 696), link=56, sheet="A40"),
        _gpu("b200", "B200", 2250.0, (180, 8000), link=900, sheet="HGX B200"),
    )
}
"""The known models, by name."""


def gpu_by_name(name: str) -> GpuFacts:
    """Return a model by its name in site profiles.

    Raises:
        ConfigError: If there is none (MV1160).
    """
    if name not in GPUS:
        raise ConfigError(
            "MV1160",
            f"gpu={name!r} is not a known model{nearest_name(name, GPUS)}",
            expected=f"one of {sorted(GPUS)}",
        )
    return GPUS[name]


def gpu_of_device(device: str) -> GpuFacts | None:
    """Return the model by the name that a driver tells; None where it is not known.

    Args:
        device: What ``torch.cuda.get_device_name`` returns, such as ``NVIDIA H100 80GB HBM3``.
    """
    found = (gpu for gpu in GPUS.values() if all(part in device for part in gpu.devices))
    return next(found, None)
