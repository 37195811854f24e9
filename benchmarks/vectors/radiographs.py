"""Families about networks for radiographs: forward, attention, losses and all gradients."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch
from torch import nn

from benchmarks.vectors.comparison import Arrays, FamilyCheck
from benchmarks.vectors.fill import fill_tensor, fill_uniform
from benchmarks.vectors.tensors import GRADIENTS, as_leaf, as_tensor, gradient
from medvlp.losses.descriptions import aspect_contrast_loss
from medvlp.losses.matching import matching_loss
from medvlp.losses.queries import location_contrast_loss, query_pair_loss
from medvlp.models.architecture import TextTowerSettings
from medvlp.models.radiograph.carzero import CarzeroNetwork
from medvlp.models.radiograph.kad import KadNetwork
from medvlp.models.radiograph.mavl import MavlNetwork, text_scores
from medvlp.models.radiograph.medklip import MedklipNetwork
from medvlp.models.radiograph.released_settings import (
    CarzeroSettings,
    KadSettings,
    MavlSettings,
    MedklipSettings,
)
from medvlp.models.radiograph.settings import (
    QueryDecoderSettings,
    ResNetTowerSettings,
    TimmTowerSettings,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor

    from medvlp.models.radiograph.released import ReleasedNetwork

__all__ = ["CHECKS"]

_RESNET = ResNetTowerSettings(architecture="resnet18", stage=3, width=8)
_VOCAB_SIZE = 4


def _text(width: int) -> TextTowerSettings:
    return TextTowerSettings(
        width=width, layers=1, heads=2, feedforward=4, max_tokens=4, projection="none"
    )


def _fill(network: ReleasedNetwork, arrays: Arrays) -> None:
    """Fill every weight outside the towers by the table of the file, in float64.

    The table must name them all; it also has parts of layers that are never used, and a factor of
    similarities that no loss reads.
    """
    network.double().eval()
    table = json.loads(str(arrays["fill_table"]))
    own = {
        name
        for name in network.state_dict()
        if not name.startswith(("image_tower.", "text_tower.", "res_l", "pool.", "mlp_embed."))
    } - {"continues", "temp"}
    weights = {
        key: as_tensor(fill_tensor(shape, rule, salt))
        for salt, (key, shape, rule) in enumerate(table)
        if rule != "keep" and key in own
    }
    unused = {key for key, _, rule in table if rule != "keep" and key not in own}
    without_self = not network.settings.decoder.self_attention
    if set(weights) != own or any(
        not (without_self and (".self_attn." in key or ".norm1." in key)) for key in unused
    ):
        msg = f"the table lacks {sorted(own - set(weights))} or has unknown {sorted(unused)}"
        raise ValueError(msg)
    network.load_state_dict(weights, strict=False)


def _gradient_norms(network: nn.Module, names: ArrayLike, loss: Tensor) -> dict[str, ArrayLike]:
    parameters = dict(network.named_parameters())
    chosen = [parameters[str(name)] for name in names]
    grads = torch.autograd.grad(loss, chosen, retain_graph=True, allow_unused=True)
    norms = [0.0 if grad is None else grad.norm().item() for grad in grads]
    return {"param_grad_norms": norms}


def _answer_medklip(arrays: Arrays) -> dict[str, ArrayLike]:
    width = arrays["disease_book"].shape[1]
    settings = MedklipSettings(input_px=32, image=_RESNET, text=_text(width))
    network = MedklipNetwork(settings, _VOCAB_SIZE)
    _fill(network, arrays)
    tokens = as_leaf(arrays["image_tokens"])
    queries = network.disease_embedding_layer(as_tensor(arrays["disease_book"]))
    decoded = network.decoder(queries, tokens, with_attention=True)
    judged = network.decode(queries, tokens)
    pair = network.presence_pair(judged.outputs)
    labels = as_tensor(arrays["labels"])
    presence = query_pair_loss(pair, labels)
    location = location_contrast_loss(
        network.locate(judged.outputs),
        as_tensor(arrays["anatomy_book"]),
        as_tensor(arrays["sample_index"]),
        labels,
    )
    loss = presence + location
    return {
        "loss": loss.item(),
        "loss_ce": presence.item(),
        "loss_cl": location.item(),
        "logits": pair.detach().numpy(),
        "attention_last_layer": decoded.attention[-1].detach().numpy(),
        "attention_layer_sums": decoded.attention.detach().square().sum((1, 2, 3)).numpy(),
        "grad_image_tokens": gradient(loss, tokens),
        **_gradient_norms(network, arrays["param_names"], loss),
    }


def _answer_kad(arrays: Arrays) -> dict[str, ArrayLike]:
    width = arrays["queries"].shape[1]
    decoder = QueryDecoderSettings(dim=width, shared_norm=True, head="binary")
    settings = KadSettings(input_px=32, image=_RESNET, text=_text(width), decoder=decoder)
    network = KadNetwork(settings, _VOCAB_SIZE)
    _fill(network, arrays)
    tokens, queries = as_leaf(arrays["image_tokens"]), as_leaf(arrays["queries"])
    decoded = network.decoder(queries, tokens, with_attention=True)
    pair = network.mlp_head(network.decode(queries, tokens).outputs)
    weights = fill_uniform(pair.numel(), int(arrays["grad_weight_salt"]))
    weighted = (pair * as_tensor(weights).reshape(pair.shape)).sum()
    return {
        "logits": pair.detach().numpy(),
        "attention_last_layer": decoded.attention[-1].detach().numpy(),
        "grad_image_tokens": gradient(weighted, tokens),
        "grad_queries": gradient(weighted, queries),
    }


def _build_mavl(arrays: Arrays) -> MavlNetwork:
    _, width, side, _ = arrays["image_map"].shape
    decoder = QueryDecoderSettings(dim=width, head="binary")
    settings = MavlSettings(
        input_px=16 * side,
        image=_RESNET,
        text=_text(arrays["disease_book"].shape[1]),
        decoder=decoder,
        num_aspects=len(arrays["temp"]),
    )
    network = MavlNetwork(settings, _VOCAB_SIZE)
    _fill(network, arrays)
    with torch.no_grad():
        network.temp.copy_(as_tensor(arrays["temp"]))
    return network


def _answer_mavl(arrays: Arrays) -> dict[str, ArrayLike]:
    network = _build_mavl(arrays)
    image_map, image = as_leaf(arrays["image_map"]), as_leaf(arrays["image_global"])
    books = [as_tensor(arrays["disease_book"])[:, None], as_tensor(arrays["concept_book"])]
    queries = network.disease_embedding_layer(torch.cat(books, dim=1))
    judged = network.decode(queries, image_map.flatten(2).transpose(1, 2))
    pair = network.presence_pair(judged.outputs)
    located = network.locate(judged.outputs)
    labels, places = as_tensor(arrays["labels"]), as_tensor(arrays["anatomy_book"])
    presence = query_pair_loss(pair, labels)
    location = location_contrast_loss(located, places, as_tensor(arrays["sample_index"]), labels)
    contrast = 0.1 * aspect_contrast_loss(image, queries, labels, network.temp)
    loss = presence + location + contrast
    cosines = network.cosines(image, queries).detach()
    return {
        "loss": loss.item(),
        "loss_ce": presence.item(),
        "loss_location": location.item(),
        "loss_global_weighted": contrast.item(),
        "grad_image_map": gradient(loss, image_map),
        "grad_image_global": gradient(loss, image),
        **_gradient_norms(network, arrays["param_names"], loss),
        "grad_global_only__image_global": gradient(contrast, image),
        "grad_global_only__temp": gradient(contrast, network.temp),
        "logits": pair.detach().numpy(),
        "concept_contributions": network.contributions(judged.outputs).detach().numpy(),
        "location_similarity": (located @ places.T).detach().numpy(),
        "global_cosine": cosines.numpy(),
        "text_mode_score": text_scores(cosines).numpy(),
        "feature_mode_score": pair.detach().softmax(-1)[..., 1].numpy(),
    }


def _answer_carzero(arrays: Arrays) -> dict[str, ArrayLike]:
    width = arrays["image_global"].shape[1]
    settings = CarzeroSettings(
        input_px=32,
        image=TimmTowerSettings(
            name="vit_tiny_patch16_224", width=width, depth=1, heads=1, mlp_ratio=1
        ),
        text=_text(width),
        decoder=QueryDecoderSettings(
            dim=width, self_attention=False, shared_norm=True, head="score"
        ),
        last_layers=1,
    )
    network = CarzeroNetwork(settings, _VOCAB_SIZE)
    _fill(network, arrays)
    names = ("image_global", "image_local", "text_global", "text_local")
    image, patches, text, words = leaves = [as_leaf(arrays[name]) for name in names]
    memory = torch.cat([image.unsqueeze(1), patches], dim=1)
    asked = network.text_memory(text, words)
    by_text = network.decode(text, memory).logits
    by_image = network.score(network.decoder(image, asked).outputs)
    decoded = network.decoder(text, memory, with_attention=True)
    loss = matching_loss(by_text).symmetric + matching_loss(by_image).symmetric
    return {
        "s_i2t": by_text.detach().numpy(),
        "s_t2i": by_image.detach().numpy(),
        "inference_score": network.decode(asked, memory).logits.detach().numpy(),
        "attention_last_layer_i2t": decoded.attention[-1].detach().numpy(),
        "loss": loss.item(),
        **{f"grad_{name}": gradient(loss, leaf) for name, leaf in zip(names, leaves, strict=True)},
    }


_BOOKS = ("disease_book", "concept_book", "anatomy_book", "sample_index", "labels", "fill_table")

CHECKS = {
    "medklip_decoder": FamilyCheck(
        _answer_medklip, ("image_tokens", "param_names", *_BOOKS), tolerances=GRADIENTS
    ),
    "kad_tqn": FamilyCheck(
        _answer_kad,
        ("image_tokens", "queries", "fill_table", "grad_weight_salt"),
        tolerances=GRADIENTS,
    ),
    "mavl_model": FamilyCheck(
        _answer_mavl,
        ("image_map", "image_global", "temp", "param_names", *_BOOKS),
        tolerances=GRADIENTS,
    ),
    "carzero_sim": FamilyCheck(
        _answer_carzero,
        ("image_global", "image_local", "text_global", "text_local", "fill_table"),
        tolerances=GRADIENTS,
    ),
}
