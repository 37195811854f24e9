"""Tiny releases in the layouts of other programs, each with the module that answers for it."""

import json
from pathlib import Path

import numpy as np
import open_clip
import timm
import torch
from PIL import Image
from torch import nn
from torchvision import transforms
from transformers import BertConfig, BertModel, BertTokenizer

from tests.models.conftest import filled_randomly, random_images

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,-&;"
WORDS = ["clear", "cell", "renal", "carcin", "##oma", "normal", "tissue", "image", "of", "an"]
PIECES = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *LETTERS,
    *(f"##{letter}" for letter in LETTERS),
    *WORDS,
]
TEXTS = ["An image of clear cell renal CARCINOMA.", "normal tissue", "renal " * 40]
BERT = {
    "vocab_size": len(PIECES),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
VISION = {
    "model_type": "vit",
    "img_size": 32,
    "patch_size": 8,
    "hidden_size": 48,
    "num_heads": 3,
    "num_layers": 2,
    "mlp_ratio": 2.0,
    "qkv_bias": True,
    "drop_rate": 0,
    "init_values": 1e-5,
    "num_classes": 0,
    "dynamic_img_size": True,
}


BIOMED = {
    "embed_dim": 16,
    "vision_cfg": {
        "timm_model_name": "test_resnet",
        "timm_model_pretrained": False,
        "timm_pool": "",
        "timm_proj": "linear",
        "image_size": 48,
    },
    "text_cfg": {
        "hf_model_name": "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
        "hf_tokenizer_name": "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
        "hf_proj_type": "mlp",
        "hf_pooler_type": "cls_last_hidden_state_pooler",
        "context_length": 48,
    },
}


class Keep(nn.Module):
    """KEEP as its authors describe it: timm's transformer with a head, BERT's pooled output."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = timm.create_model(
            "vit_large_patch16_224",
            img_size=32,
            patch_size=8,
            embed_dim=48,
            depth=2,
            num_heads=3,
            mlp_ratio=2.0,
            init_values=1e-5,
            num_classes=0,
            dynamic_img_size=True,
        )
        self.visual_head = nn.Sequential(nn.Linear(48, 32), nn.GELU(), nn.Linear(32, 32))
        self.text = BertModel(BertConfig(**BERT))
        self.logit_scale = nn.Parameter(torch.tensor(3.2))

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self.visual_head(self.visual(pixels)), dim=-1)

    def encode_text(self, tokens) -> torch.Tensor:
        return nn.functional.normalize(self.text(**tokens).pooler_output, dim=-1)


def write_vocabulary(folder: Path) -> None:
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}')


def write_keep(folder: Path) -> Keep:
    """Write KEEP's folder, without weights, and return the filled model."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "model_type": "keep",
        "auto_map": {"AutoModel": "modeling_keep.KEEPModel"},
        "vision_config": VISION,
        "text_config": {"model_type": "bert", "hidden_act": "gelu", **BERT},
        "projection_dim": 32,
    }
    (folder / "config.json").write_text(json.dumps(config))
    write_vocabulary(folder)
    return filled_randomly(Keep()).eval()


def write_biomedclip(folder: Path, preprocess) -> open_clip.CustomTextCLIP:
    """Write BiomedCLIP's folder; for its own model open_clip takes BERT's sizes from there."""
    folder.mkdir()
    config = {"model_cfg": BIOMED, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    write_vocabulary(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **BERT}))
    local = json.loads(json.dumps(BIOMED))
    local["text_cfg"].update(hf_model_name=str(folder), hf_model_pretrained=False)
    model = filled_randomly(open_clip.CustomTextCLIP(**local)).eval()
    positions = {"text.transformer.embeddings.position_ids": torch.arange(64)[None]}
    torch.save({**model.state_dict(), **positions}, folder / "open_clip_pytorch_model.bin")
    return model


def as_pixels(images: np.ndarray, side: int, mean, std) -> torch.Tensor:
    """Prepare images with torchvision: shorter side bicubic, centre crop, scale, normalise."""
    transform = transforms.Compose(
        [
            transforms.Resize(side, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(side),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )
    return torch.stack([transform(Image.fromarray(image)) for image in images])


def bert_tokens(folder: Path, texts: list[str], max_length: int):
    """Encode texts with transformers' tokenizer, padded to the full length."""
    tokenizer = BertTokenizer.from_pretrained(folder, do_lower_case=True)
    return tokenizer(
        texts, max_length=max_length, padding="max_length", truncation=True, return_tensors="pt"
    )


def photographs() -> np.ndarray:
    return random_images(2, 51, 40)
