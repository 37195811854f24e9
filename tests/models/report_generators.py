"""A tiny report generator of random weights."""

import torch

from medvlp.models.bundle_schema import Provenance
from medvlp.models.decoder_text import DecoderSettings, DecoderSizes, LoraSettings, build_decoder
from medvlp.models.report_generator import PromptSettings, ReportGenerator, WritingSettings
from medvlp.models.report_generator_folder import ReportGeneratorCard
from medvlp.models.volume.build import build_volume_tower
from medvlp.models.volume.settings import ResNet3dSettings
from medvlp.text.writing_tokenizer import train_writing_tokenizer
from medvlp.types import VolumePreprocessing

IMAGE = ResNet3dSettings(depth=10, width=4)
PROMPT = PromptSettings(before="<s>[INST] ", after=" Report: [/INST]", visual_tokens=3)
REPORTS = ("Findings: A mass. Impression: Mass.", "Findings: Normal kidney. No mass.")
TOKENIZER = train_writing_tokenizer(REPORTS, 290)
LORA = LoraSettings(rank=2, alpha=2, dropout=0.2, layers=("q_proj", "v_proj"))
SHAPE = (8, 16, 16)
WRITING = WritingSettings(max_tokens=12)


def generator(family: str = "mistral", *, visual: int = 3) -> ReportGenerator:
    sizes = DecoderSizes(family=family, width=16, layers=2, heads=2, kv_heads=1, feedforward=32)
    settings = DecoderSettings(max_tokens=128)
    decoder = build_decoder(sizes, TOKENIZER.vocab_size, settings, seed=1)
    prompt = PROMPT.model_copy(update={"visual_tokens": visual})
    tower = build_volume_tower(IMAGE, SHAPE, seed=2)
    return ReportGenerator(tower, decoder, TOKENIZER, prompt, seed=3).eval()


def boxes(count: int = 3) -> torch.Tensor:
    return torch.randn((count, 1, *SHAPE), generator=torch.Generator().manual_seed(0))


def tokens(count: int = 3) -> list[list[int]]:
    return [TOKENIZER.encode_report(REPORTS[i % 2], 20) for i in range(count)]


def disturb(tensors) -> None:
    """Give weights other values."""
    with torch.no_grad():
        for number, tensor in enumerate(tensors):
            noise = torch.Generator().manual_seed(number)
            tensor.add_(0.3 * torch.randn(tensor.shape, generator=noise))


def card(**more) -> ReportGeneratorCard:
    values = {
        "name": "tiny writer",
        "image": IMAGE,
        "preprocessing": VolumePreprocessing(
            spacing_mm=(5.0, 2.0, 2.0),
            shape_zyx=SHAPE,
            orientation="LPS",
            axes="zyx",
            window_hu=(-200.0, 300.0),
            region="kidney",
        ),
        "writing": WRITING,
        "lora": None,
        "release": None,
        "provenance": Provenance(medvlp_version="0"),
        "license": "Apache-2.0",
    }
    return ReportGeneratorCard(**values | more)
