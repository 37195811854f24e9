"""What is compared, and the one setting that all arms share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from medvlp.config.strict import StrictModel
from medvlp.data.augment import AugmentSettings
from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings

__all__ = ["ARMS", "ArmSettings", "KnowledgeSettings", "Recipe"]

Share = Annotated[float, Field(ge=0, le=1)]


class ArmSettings(StrictModel):
    """One way of training.

    Attributes:
        title: What tables call it.
        objective: Name of the library's objective.
        options: Its options.
        temperature: First temperature.
        knows: Whether captions are augmented by the knowledge graph and the text tower comes from
            stage 1.
        eliminates: Whether pairs of related concepts are no negatives.
    """

    title: str
    objective: str
    options: dict[str, float | str | bool] = Field(default_factory=dict)
    temperature: float = 0.07
    knows: bool = False
    eliminates: bool = False


ARMS: dict[str, ArmSettings] = {
    "clip": ArmSettings(title="CLIP", objective="clip"),
    "siglip": ArmSettings(
        title="SigLIP", objective="siglip", options={"bias": -10.0}, temperature=0.1
    ),
    "supcon": ArmSettings(title="SupCon by label", objective="supcon", options={"label": "group"}),
    "keep-loss": ArmSettings(title="KEEP loss, no knowledge", objective="keep"),
    "clip-knowledge": ArmSettings(
        title="CLIP + hierarchy captions + stage 1", objective="clip", knows=True
    ),
    "keep": ArmSettings(title="KEEP whole", objective="keep", knows=True, eliminates=True),
}
"""Name of an arm to what it does; the first is what the others are compared with."""


class KnowledgeSettings(StrictModel):
    """How knowledge comes in, in the arms that have it.

    Attributes:
        part: Terms that the knowledge encoder is trained on.
        steps: Steps of stage 1.
        concepts_per_batch: Diseases in a batch of stage 1.
        texts_per_concept: Texts of each.
        learning_rate: Largest learning rate of stage 1.
        temperature: Temperature of stage 1.
        related_apart: Whether stage 1 pushes ancestors and descendants apart.
        text_rate: Learning rate of the text tower in stage 2, as a share of the others'; 0 freezes
            it.
        replay_weight: Weight of a batch of stage 1 beside every batch of stage 2; 0 for none.
        replay_concepts: Diseases in such a batch.
        drop_probability: How often words are left out of a caption.
        hierarchy_probability: How often a sentence about the concept takes the caption's place.
        chain_probability: How often such a sentence holds the lineage.
    """

    part: Literal["kin", "cancers", "all"] = "kin"
    steps: int = 250
    concepts_per_batch: int = 32
    texts_per_concept: int = 8
    learning_rate: float = 1e-3
    temperature: float = 0.04
    related_apart: bool = False
    text_rate: Share = 0.1
    replay_weight: Annotated[float, Field(ge=0)] = 0.0
    replay_concepts: int = 16
    drop_probability: Share = 0.5
    hierarchy_probability: Share = 0.5
    chain_probability: Share = 0.5


class Recipe(StrictModel):
    """All that decides a cell beside its arm, seed and fold.

    Attributes:
        input_px: Side of the model's input.
        architecture: Image tower.
        embed_dim: Length of an embedding.
        text_width: Width of the text tower.
        text_layers: Blocks of the text tower.
        max_tokens: Longest text.
        vocab_size: Pieces of the tokenizer, which all arms share.
        steps: Steps of stage 2.
        groups_per_batch: Classes in a batch.
        samples_per_group: Tiles of each.
        learning_rate: Largest learning rate.
        weight_decay: Weight decay.
        augment: How tiles are changed.
        knowledge: How knowledge comes in.
    """

    input_px: int = 64
    architecture: str = "test_resnet"
    embed_dim: int = 128
    text_width: int = 128
    text_layers: int = 2
    max_tokens: int = 48
    vocab_size: int = 3000
    steps: int = 400
    groups_per_batch: int = 16
    samples_per_group: int = 4
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    augment: AugmentSettings = AugmentSettings(contrast=0.2, tint=0.1, brightness=0.05)
    knowledge: KnowledgeSettings = KnowledgeSettings()

    def encoder(self, arm: ArmSettings) -> DualEncoderSettings:
        """Return the towers of an arm."""
        return DualEncoderSettings(
            embed_dim=self.embed_dim,
            image=ImageTowerSettings(architecture=self.architecture),
            text=TextTowerSettings(
                width=self.text_width,
                layers=self.text_layers,
                heads=max(self.text_width // 64, 1),
                feedforward=2 * self.text_width,
                max_tokens=self.max_tokens,
            ),
            temperature=arm.temperature,
        )
