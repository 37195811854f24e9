"""A decoder language model as a text tower: every token sees all others, their mean is the text.

The reference (LLM2Vec) puts a text into Llama-3's chat header only where the model's path is
exactly ``meta-llama/Meta-Llama-3-8B-Instruct``; a renamed folder of the same weights silently
embeds another text. Here the template is a setting that is kept with the weights, ``{}`` by
default, whatever the folder is called.

Letters: B batch, T tokens, M hidden tokens, V pieces, W width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field
from torch import nn
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from medvlp.config.strict import StrictModel
from medvlp.errors import ModelError
from medvlp.models.decoder_sizes import DECODER_FAMILIES, DecoderSizes
from medvlp.models.timm_towers import with_local_seed

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = [
    "DECODER_FAMILIES",
    "DecoderSettings",
    "DecoderSizes",
    "DecoderText",
    "LoraSettings",
    "build_decoder",
]

_LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
Share = Annotated[float, Field(ge=0, lt=1)]


class LoraSettings(StrictModel):
    """Small matrices beside those of a decoder; they alone are trained. Needs the extra ``llm``.

    Attributes:
        rank: Rank of a pair of matrices.
        alpha: Their product is multiplied by ``alpha / rank``.
        dropout: Probability of dropping a value before them in training.
        layers: Names of the layers that get them.
    """

    rank: Annotated[int, Field(ge=1, le=1024)] = 16
    alpha: Annotated[int, Field(ge=1)] = 32
    dropout: Share = 0.05
    layers: Annotated[tuple[str, ...], Field(min_length=1)] = _LAYERS


class DecoderSettings(StrictModel):
    """A decoder as a text tower.

    Attributes:
        sizes: What to build with random weights; None takes the decoder of ``model.text_from``.
        max_tokens: Largest number of tokens of one text.
        dropout: Probability of dropping an attention weight in training.
        lora: Train small matrices beside the weights; None trains all weights.
        checkpointing: Compute activations again on the way back in place of keeping them: slower,
            and a batch that does not fit otherwise fits.
    """

    sizes: DecoderSizes | None = None
    max_tokens: Annotated[int, Field(ge=4, le=131072)] = 512
    dropout: Share = 0.0
    lora: LoraSettings | None = None
    checkpointing: bool = False


class DecoderText(nn.Module):
    """A decoder whose tokens see all others, and the mean of a text's real tokens.

    Args:
        network: A causal language model of one of :data:`DECODER_FAMILIES`, with attention by
            torch's ``scaled_dot_product_attention``.

    Attributes:
        dim: Length of an embedding, the decoder's width.

    Source:
        BehnamGhader et al. 2024, arXiv:2404.05961 (LLM2Vec). Changed: positions count real tokens,
        so that the side of the padding does not matter.
    """

    def __init__(self, network: PreTrainedModel) -> None:
        super().__init__()
        self.network = network
        self.dim = int(network.config.hidden_size)
        self._adapters: list[Any] = []  # not a child module: its weights are the network's

    @property
    def vocab_size(self) -> int:
        """Number of rows of the embeddings."""
        return int(self.network.config.vocab_size)

    def token_features(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the features of tokens, each of which has seen all real ones.

        Args:
            ids: Token ids, shape ``(B, T)``, int64.
            mask: True where a token is real, shape ``(B, T)``, bool; padding on either side.

        Returns:
            Shape ``(B, T, W)``; those of padding mean nothing.
        """
        # Given whole, in four axes: without padding the library would drop a mask of two, and the
        # attention fall back to a causal one.
        seen = mask[:, None, None, :].expand(-1, 1, ids.shape[1], -1)
        positions = (mask.long().cumsum(dim=1) - 1).clamp(min=0)
        output = self.network.model(
            input_ids=ids, attention_mask=seen, position_ids=positions, use_cache=False
        )
        features: torch.Tensor = output.last_hidden_state
        return features

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embed texts as unit vectors.

        Args:
            ids: Token ids, shape ``(B, T)``, int64.
            mask: True where a token is real, shape ``(B, T)``, bool.

        Returns:
            Shape ``(B, W)``, float32.
        """
        features = self.token_features(ids, mask).float()
        weight = mask.unsqueeze(-1).float()
        mean = (features * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)
        return nn.functional.normalize(mean, dim=-1)

    def hidden_logits(
        self, ids: torch.Tensor, mask: torch.Tensor, targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits at hidden places, by the place before each, and the true pieces.

        As :class:`medvlp.models.masked_text.NamesTokens`; a text's first token is never hidden.
        """
        is_hidden = targets[:, 1:] >= 0
        before = self.token_features(ids, mask)[:, :-1]
        logits: torch.Tensor = self.network.lm_head(before[is_hidden])
        return logits, targets[:, 1:][is_hidden]

    def add_lora(self, settings: LoraSettings, *, seed: int = 0) -> None:
        """Put small trainable matrices beside the weights, which rest from now on.

        Args:
            settings: Their size and places.
            seed: Fixes their random values.

        Raises:
            ModelError: If peft is not installed (MV1759), or no layer has such a name (MV1407).
        """
        try:
            from peft import LoraConfig, LoraModel  # noqa: PLC0415  an extra
        except ImportError as error:
            raise ModelError(
                "MV1759",
                "model.decoder.lora is set, and peft is not installed",
                hint="pip install 'medvlp[llm]', or train all weights with lora: null",
            ) from error
        config = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules=list(settings.layers),
        )
        try:
            adapter = with_local_seed(
                lambda: LoraModel(self.network, {"default": config}, "default"), seed
            )
        except ValueError as error:
            raise ModelError(
                "MV1407",
                f"model.decoder.lora.layers={settings.layers} are no layers of the decoder",
                expected=f"names such as {_LAYERS}",
            ) from error
        for weight in self.network.parameters():
            if weight.requires_grad:  # small steps would be lost in the bf16 of the weights beside
                weight.data = weight.data.float()
        self._adapters.append(adapter)

    def forget_activations(self) -> None:
        """Compute activations again on the way back in place of keeping them."""
        network: Any = self.network
        newer = getattr(network, "activation_checkpointing_enable", None)  # its later name
        (newer or network.gradient_checkpointing_enable)()

    def merge_lora(self) -> None:
        """Add the small matrices into the weights, where there are any."""
        while self._adapters:
            self.network = self._adapters.pop().merge_and_unload()


def build_decoder(
    sizes: DecoderSizes, vocab_size: int, settings: DecoderSettings, seed: int
) -> DecoderText:
    """Build a decoder with random weights.

    Args:
        sizes: Its sizes.
        vocab_size: Number of pieces of the tokenizer.
        settings: Dropout and largest number of tokens.
        seed: Fixes the weights; the program's random state is left as it was.
    """
    values = {
        "vocab_size": vocab_size,
        "hidden_size": sizes.width,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "head_dim": sizes.width // sizes.heads,
        "intermediate_size": sizes.feedforward,
        "max_position_embeddings": settings.max_tokens,
        "attention_dropout": settings.dropout,
        "pad_token_id": None,
        "bos_token_id": None,
        "eos_token_id": None,
        "sliding_window": None,
    }
    config = CONFIG_MAPPING[sizes.family].from_dict(values)
    library: Any = AutoModelForCausalLM  # without annotations of its own

    def build() -> DecoderText:
        return DecoderText(library.from_config(config, attn_implementation="sdpa"))

    return with_local_seed(build, seed)
