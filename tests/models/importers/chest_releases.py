"""Released networks for chest films as their authors describe them, small, and their files."""

import json
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torchvision.models import resnet18, resnet50
from transformers import BertConfig, BertModel, BertTokenizer

from tests.models.conftest import filled_randomly
from tests.models.importers.releases import BERT, write_vocabulary

SIZES = {"dim": 16, "layers": 2, "ffn": 40, "bert": BERT, "resnet": resnet18}
FULL = {
    "dim": 256,
    "layers": 4,
    "ffn": 1024,
    "bert": {"vocab_size": 30522},
    "resnet": resnet50,
}
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Layer(nn.Module):
    """A pre-norm decoder layer with torch's own attention."""

    def __init__(self, dim: int, ffn: int, is_used: bool) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(dim, 4)
        self.multihead_attn = nn.MultiheadAttention(dim, 4)
        self.linear1, self.linear2 = nn.Linear(dim, ffn), nn.Linear(ffn, dim)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(dim) for _ in range(3))
        self.is_used = is_used

    def forward(self, x, memory):
        if self.is_used:
            asked = self.norm1(x)
            x = x + self.self_attn(asked, asked, asked)[0]
        found, attention = self.multihead_attn(self.norm2(x), memory, memory)
        x = x + found
        return x + self.linear2(functional.relu(self.linear1(self.norm3(x)))), attention


class Decoder(nn.Module):
    def __init__(self, sizes, norm=None, is_used=True) -> None:
        super().__init__()
        count, dim, ffn = sizes["layers"], sizes["dim"], sizes["ffn"]
        self.layers = nn.ModuleList(Layer(dim, ffn, is_used) for _ in range(count))
        self.norm = norm or nn.LayerNorm(dim)

    def forward(self, queries, memory):
        """Queries (Q, D) and memory (B, T, D) to (B, Q, D) and attention (B, Q, T)."""
        x = queries.unsqueeze(1).expand(-1, len(memory), -1)
        maps = []
        for layer in self.layers:
            x, attention = layer(x, memory.transpose(0, 1))
            maps.append(attention)
        return self.norm(x).transpose(0, 1), torch.stack(maps).mean(0)


def cut(network: nn.Module, left_out: int) -> nn.Sequential:
    return nn.Sequential(*list(network.children())[:-left_out])


def rows(feature_map):
    return feature_map.flatten(2).transpose(1, 2)


class Medklip(nn.Module):
    def __init__(self, sizes=SIZES) -> None:
        super().__init__()
        network, dim = sizes["resnet"](), sizes["dim"]
        width, texts = network.fc.in_features // 2, BertConfig(**sizes["bert"]).hidden_size
        self.disease_embedding_layer = nn.Linear(texts, dim)
        self.cl_fc = nn.Linear(dim, texts)
        self.res_features = cut(network, 3)
        self.res_l1, self.res_l2 = nn.Linear(width, width), nn.Linear(width, dim)
        self.decoder = Decoder(sizes)
        self.classifier = nn.Linear(dim, 2)

    def forward(self, pixels, book):
        patches = self.res_l2(functional.relu(self.res_l1(rows(self.res_features(pixels)))))
        outputs, attention = self.decoder(self.disease_embedding_layer(book), patches)
        return self.classifier(outputs), attention


class KadImage(nn.Module):
    def __init__(self, sizes=SIZES, left_out: int = 3) -> None:
        super().__init__()
        self.resnet = sizes["resnet"]()
        width = self.resnet.fc.in_features // (left_out - 1)
        self.res_features = cut(self.resnet, left_out)
        self.res_l1, self.res_l2 = nn.Linear(width, width), nn.Linear(width, sizes["dim"])

    def forward(self, pixels):
        return self.res_l2(functional.relu(self.res_l1(rows(self.res_features(pixels)))))


class KadText(nn.Module):
    def __init__(self, sizes=SIZES) -> None:
        super().__init__()
        dim = sizes["dim"]
        self.bert_model = BertModel(BertConfig(**sizes["bert"]))
        self.mlp_embed = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim))
        self.logit_scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, tokens):
        return self.mlp_embed(self.bert_model(**tokens).pooler_output)


class KadQueries(nn.Module):
    def __init__(self, sizes=SIZES) -> None:
        super().__init__()
        self.logit_scale = nn.Parameter(torch.tensor(2.0))
        self.decoder_norm = nn.LayerNorm(sizes["dim"])
        self.decoder = Decoder(sizes, self.decoder_norm)
        self.mlp_head = nn.Sequential(nn.Linear(sizes["dim"], 2))

    def forward(self, patches, queries):
        found, attention = self.decoder(self.decoder_norm(queries), self.decoder_norm(patches))
        return self.mlp_head(found), attention


class Pool(nn.Module):
    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.randn(14 * 14 + 1, width))
        self.k_proj, self.q_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))
        self.c_proj = nn.Linear(width, dim)

    def forward(self, x):
        x = x.flatten(2).permute(2, 0, 1)
        x = torch.cat([x.mean(0, keepdim=True), x]) + self.positional_embedding[:, None]
        q, k, v = self.q_proj(x[:1]), self.k_proj(x), self.v_proj(x)
        heads = [t.unflatten(-1, (8, -1)).permute(1, 2, 0, 3) for t in (q, k, v)]
        weights = (heads[0] @ heads[1].mT / heads[0].shape[-1] ** 0.5).softmax(-1)
        return self.c_proj((weights @ heads[2]).permute(2, 0, 1, 3).flatten(2))[0]


class Mavl(nn.Module):
    def __init__(self, sizes=SIZES, aspects: int = 3) -> None:
        super().__init__()
        network, dim = sizes["resnet"](), sizes["dim"]
        width, texts = network.fc.in_features // 2, BertConfig(**sizes["bert"]).hidden_size
        self.disease_embedding_layer = nn.Linear(texts, dim)
        self.backbone = cut(network, 3)
        self.pool = Pool(width, dim)
        self.res_l1 = nn.Sequential(nn.Conv2d(width, width, 1), nn.PReLU())
        self.res_l2 = nn.Conv2d(width, dim, 1)
        self.location_emb = nn.Conv1d(dim, texts, aspects, stride=aspects)
        self.decoder = Decoder(sizes)
        self.classifier = nn.Linear(dim * aspects, 2)
        self.temp = nn.Parameter(torch.ones(aspects))

    def forward(self, pixels, book):
        """Book of shape (C, K, E); returns logits (B, C, 2) and cosines (B, C, K)."""
        raw = self.backbone(pixels)
        queries = self.disease_embedding_layer(book)
        outputs, _ = self.decoder(queries.flatten(0, 1), rows(self.res_l2(self.res_l1(raw))))
        logits = self.classifier(outputs.reshape(len(pixels), len(book), -1))
        unit = functional.normalize(self.pool(raw), dim=-1)
        return logits, torch.einsum("bd,ckd->bck", unit, functional.normalize(queries, dim=-1))


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = nn.ModuleDict(
            {"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)}
        )
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)}
        )
        self.heads = heads

    def forward(self, x):
        parts = self.attn["qkv"](self.norm1(x)).chunk(3, dim=-1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v
        x = x + self.attn["proj"](mixed.transpose(1, 2).flatten(2))
        return x + self.mlp["fc2"](functional.gelu(self.mlp["fc1"](self.norm2(x))))


class Transformer(nn.Module):
    """A vision transformer under timm's names."""

    def __init__(self, width: int, depth: int, side: int, patch: int) -> None:
        super().__init__()
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch, patch)})
        self.cls_token = nn.Parameter(torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(torch.randn(1, (side // patch) ** 2 + 1, width))
        self.blocks = nn.ModuleList(Block(width, max(1, width // 64)) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, pixels):
        x = rows(self.patch_embed["proj"](pixels))
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class Fusion(nn.Module):
    def __init__(self, sizes) -> None:
        super().__init__()
        dim = sizes["dim"]
        self.logit_scale = nn.Parameter(torch.tensor(2.0))
        self.decoder_norm = nn.LayerNorm(dim)
        self.decoder = Decoder(sizes, self.decoder_norm, is_used=False)
        steps = zip((dim, 1024, 512), (1024, 512, 256), strict=True)
        parts = [m for a, b in steps for m in (nn.Linear(a, b), nn.ReLU(), nn.Dropout(0.1))]
        self.mlp_head = nn.Sequential(*parts, nn.Linear(256, 1))

    def forward(self, memory, queries):
        outputs, _ = self.decoder(self.decoder_norm(queries), self.decoder_norm(memory))
        return self.mlp_head(outputs)[..., 0]


class Carzero(nn.Module):
    def __init__(self, sizes, side: int = 32, patch: int = 8, depth: int = 2) -> None:
        super().__init__()
        width = sizes["dim"]
        self.text_encoder = nn.ModuleDict({"model": BertModel(BertConfig(**sizes["bert"]))})
        self.img_encoder = nn.ModuleDict({"model": Transformer(width, depth, side, patch)})
        self.fusion_module = Fusion(sizes)

    def read(self, folder: Path, prompt: str):
        """Return the sentence (D,) and the words (97, D) of one prompt, piece by piece."""
        tokenizer = BertTokenizer.from_pretrained(folder, do_lower_case=True)
        ids = tokenizer(prompt, return_tensors="pt")
        hidden = self.text_encoder["model"](**ids, output_hidden_states=True).hidden_states
        words = []
        for number, piece in enumerate(tokenizer.convert_ids_to_tokens(ids["input_ids"][0])):
            vector = sum(layer[0, number] for layer in hidden[-4:])
            if piece.startswith("##"):
                words[-1] = words[-1] + vector
            else:
                words.append(vector)
        slots = torch.zeros(97, hidden[0].shape[-1])
        slots[: len(words)] = torch.stack(words)
        return slots.mean(0), slots

    def forward(self, pixels, folder: Path, prompts):
        features = self.img_encoder["model"](pixels)
        read = [self.read(folder, prompt) for prompt in prompts]
        sentences, words = (torch.stack(parts) for parts in zip(*read, strict=True))
        texts = torch.cat([sentences[:, None], words], dim=1)
        asked = self.fusion_module(features, sentences)  # (B, C)
        answered = self.fusion_module(texts, features[:, 0])  # (C, B)
        return (asked + answered.T) / 2


def write_bert(folder: Path, with_weights: bool = True, sizes=BERT) -> BertModel:
    """Write the folder of a BERT, as the authors' text encoders come."""
    folder.mkdir(parents=True, exist_ok=True)
    write_vocabulary(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **sizes}))
    bert = filled_randomly(BertModel(BertConfig(**sizes)), seed=9).eval()
    if with_weights:
        state = {f"bert.{name}": tensor for name, tensor in bert.state_dict().items()}
        state["bert.embeddings.position_ids"] = torch.arange(64)[None]
        state["cls.predictions.bias"] = torch.zeros(3)
        torch.save(state, folder / "pytorch_model.bin")
    return bert


@torch.no_grad()
def first_tokens(bert: BertModel, folder: Path, texts) -> torch.Tensor:
    """Embed texts one by one as the vector of the first token, shape (n, E)."""
    tokenizer = BertTokenizer.from_pretrained(folder, do_lower_case=True)
    found = [bert(**tokenizer(text, return_tensors="pt")).last_hidden_state[0, 0] for text in texts]
    return torch.stack(found)


def films(side: int, count: int = 2) -> torch.Tensor:
    """Return images in [0, 1], shape (count, side, side), float32."""
    generator = torch.Generator().manual_seed(4)
    coarse = torch.rand(count, 1, 9, 9, generator=generator)
    return functional.interpolate(coarse, (side, side), mode="bilinear")[:, 0]


def normalized(pixels: torch.Tensor, mean, std) -> torch.Tensor:
    grey = pixels.unsqueeze(1).expand(-1, 3, -1, -1)
    return (grey - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
