"""GPUs are found by the name of a profile and by the name that a driver tells."""

import pytest

from medvlp.config.gpus import GPUS, gpu_by_name, gpu_of_device
from medvlp.errors import ConfigError


@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "h100-sxm"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("NVIDIA H100 NVL", "h100-nvl"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA GH200 480GB", "gh200"),
        ("NVIDIA A100-SXM4-80GB", "a100-80gb"),
        ("NVIDIA A100 80GB PCIe", "a100-80gb"),
        ("NVIDIA A100-SXM4-40GB", "a100-40gb"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA A40", "a40"),
        ("NVIDIA B200", "b200"),
    ],
)
def test_gpu_of_device__knows_what_drivers_tell(device, name):
    found = gpu_of_device(device)
    assert found is not None
    assert found.name == name


def test_gpu_of_device__knows_nothing_of_others():
    assert gpu_of_device("NVIDIA GeForce RTX 3090") is None
    assert gpu_of_device("") is None


def test_gpu_by_name__names_the_nearest():
    assert gpu_by_name("h100-sxm").bf16_tflops == 989.4
    with pytest.raises(ConfigError, match=r"gpu='h100-smx' is not .* mean 'h100-sxm'"):
        gpu_by_name("h100-smx")


def test_gpus__bear_figures_of_one_unit():
    for gpu in GPUS.values():
        assert 100 < gpu.bf16_tflops < 5000
        assert 20 < gpu.memory_gb < 400
        # a device with more memory traffic than this per operation would be no GPU
        assert 100 < gpu.bf16_tflops * 1000 / gpu.memory_gb_per_s < 500
        assert gpu.source.startswith("NVIDIA")
