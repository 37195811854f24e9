"""A language model that writes the report of a box of a scan, which it sees as a few tokens.

The features of the box become the embeddings of some tokens by one linear layer; they stand in the
prompt between two texts, and the report follows.

Letters: B batch, D features, V visual tokens, P tokens of the prompt, T tokens of a report, W width
of the language model, K pieces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

from medvlp.config.strict import StrictModel
from medvlp.errors import ModelError
from medvlp.models.timm_towers import with_local_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.models.decoder_text import DecoderText
    from medvlp.models.volume.towers import VolumeTower
    from medvlp.text.writing_tokenizer import WritingTokenizer

__all__ = ["PromptSettings", "ReportGenerator", "TrainedPart", "WritingSettings"]

TrainedPart = Literal["projection", "lora", "all"]
"""What a training changes: the projection; it and LoRA; it and the whole language model."""

_LORA = ".lora_"
_WRAPPED = ".base_layer."


class PromptSettings(StrictModel):
    """What stands before a report. Special pieces of the language model's tokenizer may be spelt.

    Attributes:
        before: Text before the visual tokens.
        after: Text between them and the report.
        visual_tokens: Number of tokens that a box becomes.
    """

    before: str = "<s>[INST] "
    after: str = (
        " Describe this kidney as a radiologist does, in this form: "
        "Findings: ... Impression: ... [/INST]"
    )
    visual_tokens: Annotated[int, Field(ge=1, le=1024)] = 8


class WritingSettings(StrictModel):
    """How a report is written, always the most likely token after another.

    Attributes:
        max_tokens: Largest number of tokens of a report, its end included.
        beams: Number of texts followed at a time; 1 is greedy.
        repetition_penalty: Positive logits of tokens that the report already has are divided by
            it, and negative ones multiplied.
        no_repeat_tokens: No sequence of so many tokens is written twice; 0 allows all.
    """

    max_tokens: Annotated[int, Field(ge=1, le=8192)] = 256
    beams: Annotated[int, Field(ge=1, le=64)] = 1
    repetition_penalty: Annotated[float, Field(ge=1, le=10)] = 1.2
    no_repeat_tokens: Annotated[int, Field(ge=0, le=64)] = 3


_WRITING = WritingSettings()


class ReportGenerator(nn.Module):
    """A resting network for scans, a projection, and a causal language model.

    The projection starts as a normal distribution of deviation 0.02, cut at 2, with biases of 0.

    Args:
        volume_tower: The network for scans; it rests for good.
        decoder: The language model.
        tokenizer: Its tokenizer.
        prompt: What stands before a report.
        seed: Fixes the projection's first weights; the program's random state is left as it was.

    Attributes:
        prompt: What stands before a report.
        tokenizer: The language model's tokenizer.

    Raises:
        ModelError: If the tokenizer has more pieces than the language model (MV1409).

    Source:
        Tao et al., arXiv:2508.16569, report generation, after Liu et al. 2023 (LLaVA),
        arXiv:2304.08485.
    """

    def __init__(
        self,
        volume_tower: VolumeTower,
        decoder: DecoderText,
        tokenizer: WritingTokenizer,
        prompt: PromptSettings,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if tokenizer.vocab_size > decoder.vocab_size:
            raise ModelError(
                "MV1409",
                f"the tokenizer has {tokenizer.vocab_size} pieces, the language model "
                f"{decoder.vocab_size}",
                expected="the tokenizer that it was trained with",
            )
        self.prompt = prompt
        self.tokenizer = tokenizer
        self.volume_tower = volume_tower.requires_grad_(False)
        self.decoder = decoder
        self.projection = with_local_seed(self._build_projection, seed)
        self._before = tokenizer.encode(prompt.before)
        self._after = tokenizer.encode(prompt.after)
        self._part: TrainedPart = "projection"

    def _build_projection(self) -> nn.Linear:
        width = self.prompt.visual_tokens * self.decoder.dim
        projection = nn.Linear(self.volume_tower.dim, width)
        nn.init.trunc_normal_(projection.weight, std=0.02)
        nn.init.zeros_(projection.bias)
        return projection

    @property
    def prompt_length(self) -> int:
        """Number of tokens P before a report."""
        return len(self._before) + self.prompt.visual_tokens + len(self._after)

    def choose_trained(self, part: TrainedPart) -> None:
        """Choose what has gradients; ``lora`` needs LoRA in the language model.

        Args:
            part: What is trained.
        """
        self._part = part
        for name, weight in self.decoder.named_parameters():
            is_lora = _LORA in name
            weight.requires_grad_(part == "all" or (part == "lora" and is_lora))

    def visual_tokens(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return boxes as embeddings of tokens.

        Args:
            voxels: Windowed values, shape ``(B, 1, a, b, c)``, float.

        Returns:
            Shape ``(B, V, W)``, float.
        """
        self._rest()
        with torch.no_grad():
            features = self.volume_tower(voxels)
        tokens: torch.Tensor = self.projection(features)
        return tokens.reshape(len(tokens), self.prompt.visual_tokens, self.decoder.dim)

    def report_logits(
        self, voxels: torch.Tensor, reports: Sequence[Sequence[int]]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits of the tokens of reports, each seen by those before it, and the tokens.

        Args:
            voxels: Windowed values, shape ``(B, 1, a, b, c)``, float.
            reports: Tokens of each report, ends included; B of them, none empty.

        Returns:
            Logits, shape ``(M, K)``, of the M tokens of all reports one after another, and the
            tokens, shape ``(M,)``, int64.
        """
        prompt = self._embed_prompt(voxels)
        rows = [torch.tensor(row, device=voxels.device) for row in reports]
        ids = pad_sequence(rows, batch_first=True)
        sizes = torch.tensor([len(row) for row in rows], device=voxels.device)
        is_real = torch.arange(ids.shape[1], device=voxels.device) < sizes.unsqueeze(1)
        seen = self._embed(ids[:, :-1]).to(prompt.dtype)
        mask = torch.cat([is_real.new_ones(prompt.shape[:2]), is_real[:, :-1]], dim=1)
        network: Any = self.decoder.network
        output = network.model(
            inputs_embeds=torch.cat([prompt, seen], dim=1),
            attention_mask=mask.long(),
            use_cache=False,
        )
        before = output.last_hidden_state[:, self.prompt_length - 1 :]
        logits: torch.Tensor = network.lm_head(before[is_real])
        return logits, ids[is_real]

    @torch.no_grad()
    def write_reports(
        self, voxels: torch.Tensor, settings: WritingSettings = _WRITING
    ) -> list[str]:
        """Write the report of each box; nothing is drawn at random.

        Args:
            voxels: Windowed values, shape ``(B, 1, a, b, c)``, float.
            settings: How reports are written.

        Returns:
            B reports.
        """
        was_training = self.training
        self.eval()
        prompt = self._embed_prompt(voxels)
        network: Any = self.decoder.network
        ids = network.generate(
            inputs_embeds=prompt,
            attention_mask=torch.ones(prompt.shape[:2], dtype=torch.long, device=prompt.device),
            generation_config=self._generation(settings),
            logits_processor=_without_repeats(settings),
        )
        self.train(was_training)
        return [self.tokenizer.decode(row) for row in ids.tolist()]

    def _generation(self, settings: WritingSettings) -> GenerationConfig:
        library: Any = GenerationConfig  # without annotations of its own
        made: GenerationConfig = library(
            max_new_tokens=settings.max_tokens,
            num_beams=settings.beams,
            do_sample=False,
            eos_token_id=self.tokenizer.end_id,
            pad_token_id=self.tokenizer.end_id,
        )
        return made

    def own_state(self) -> dict[str, torch.Tensor]:
        """Return the tensors of the network for scans and the projection, by name."""
        parts = {"volume_tower": self.volume_tower, "projection": self.projection}
        return {
            f"{part}.{name}": tensor
            for part, module in parts.items()
            for name, tensor in module.state_dict().items()
        }

    def adapter_state(self) -> dict[str, torch.Tensor]:
        """Return the tensors of LoRA by name; none without it."""
        state = self.decoder.network.state_dict()
        return {name: tensor for name, tensor in state.items() if _LORA in name}

    def decoder_state(self) -> dict[str, torch.Tensor]:
        """Return the language model's tensors as they are without LoRA, tied ones once."""
        network = self.decoder.network
        tied = set(network.all_tied_weights_keys or ())
        plain = {
            name.replace(_WRAPPED, "."): tensor
            for name, tensor in network.state_dict().items()
            if _LORA not in name
        }
        return {name: tensor for name, tensor in plain.items() if name not in tied}

    def _rest(self) -> None:
        """Keep what rests in evaluation, here, since trainers switch all of a model."""
        self.volume_tower.eval()
        if self._part == "projection":
            self.decoder.eval()

    def _embed_prompt(self, voxels: torch.Tensor) -> torch.Tensor:
        visual = self.visual_tokens(voxels)
        before, after = (
            self._embed(torch.tensor(ids, dtype=torch.long, device=visual.device))
            .expand(len(visual), -1, -1)
            .to(visual.dtype)
            for ids in (self._before, self._after)
        )
        return torch.cat([before, visual, after], dim=1).to(self.decoder.network.dtype)

    def _embed(self, ids: torch.Tensor) -> torch.Tensor:
        network: Any = self.decoder.network
        embedded: torch.Tensor = network.get_input_embeddings()(ids)
        return embedded


def _without_repeats(settings: WritingSettings) -> LogitsProcessorList:
    """Return what keeps a report from repeating itself; the prompt is none of its business.

    Built here, since the library warns of the latter where it builds them itself.
    """
    chosen: list[LogitsProcessor] = []
    if settings.repetition_penalty > 1:
        chosen.append(RepetitionPenaltyLogitsProcessor(settings.repetition_penalty))
    if settings.no_repeat_tokens:
        chosen.append(NoRepeatNGramLogitsProcessor(settings.no_repeat_tokens))
    return LogitsProcessorList(chosen)
