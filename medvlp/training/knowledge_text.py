"""Train a text tower on texts about diseases with one call, without a configuration file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import lightning.pytorch as pl
from pydantic import Field

from medvlp.config.strict import StrictModel
from medvlp.data.groups import GroupBatches
from medvlp.data.modules import TokenizerSettings
from medvlp.models.architecture import TextTowerSettings
from medvlp.training.knowledge import KnowledgeModule
from medvlp.training.knowledge_data import AttributesDataModule, KnowledgeSource
from medvlp.training.knowledge_run import write_text_tower
from medvlp.training.optimization import OptimizerSettings, ScheduleSettings
from medvlp.training.quiet import quiet_libraries
from medvlp.training.run import RunSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.knowledge.attributes import Attribute
    from medvlp.models.text_tower import KnowledgeText
    from medvlp.text.tokenizer import CaptionTokenizer

__all__ = ["KnowledgeTextSettings", "TrainedText", "train_knowledge_text"]

Count = Annotated[int, Field(ge=1)]


class KnowledgeTextSettings(StrictModel):
    """How a text tower is trained on knowledge; the defaults are the published ones, where known.

    Attributes:
        text: The text tower.
        embed_dim: Length of an embedding.
        optimizer: How weights are changed.
        schedule: How the learning rate runs.
        temperature: One over the factor of the cosines.
        learn_temperature: Whether the factor is learned.
        variant: Which positive of AdaSP.
        diseases_per_batch: Diseases in a batch.
        texts_per_disease: Texts of each disease in a batch, its name among them.
        max_tokens: Largest number of tokens of a text.
        epochs: Number of times that all texts are seen.
        max_steps: Number of steps after which training ends in any case; -1 for none.
        vocab_size: Largest number of pieces of a vocabulary trained on the texts.
        validation_share: Share of the texts that are no names to hold out.
        seed: Seed of first weights, order and what is held out.
    """

    text: TextTowerSettings
    embed_dim: Count
    optimizer: OptimizerSettings = OptimizerSettings(
        learning_rate=3e-5, weight_decay=0.2, beta2=0.999, epsilon=1e-8
    )
    schedule: ScheduleSettings = ScheduleSettings()
    temperature: Annotated[float, Field(ge=0.01, le=1)] = 0.04
    learn_temperature: bool = False
    variant: str = "adasp"
    diseases_per_batch: Count = 32
    texts_per_disease: Annotated[int, Field(ge=2)] = 8
    max_tokens: Annotated[int, Field(ge=4)] = 256
    epochs: Count = 100
    max_steps: Annotated[int, Field(ge=-1)] = -1
    vocab_size: Annotated[int, Field(ge=32)] = 2000
    validation_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    seed: int = 0


@dataclass(frozen=True)
class TrainedText:
    """A text tower after knowledge training.

    Attributes:
        model: The tower, in evaluation mode on the CPU.
        tokenizer: Its tokenizer.
        scores: What the trainer logged last, name to value, such as ``validation/mean_ap``.
    """

    model: KnowledgeText
    tokenizer: CaptionTokenizer
    scores: dict[str, float]


def train_knowledge_text(
    attributes: Sequence[Attribute] | KnowledgeSource,
    settings: KnowledgeTextSettings,
    *,
    tokenizer: CaptionTokenizer | None = None,
    run: RunSettings | None = None,
    accelerator: str = "cpu",
    precision: Literal["32-true", "bf16-mixed"] = "32-true",
) -> TrainedText:
    """Train a text tower so that all texts about a disease lie together.

    This is the training that ``medvlp train`` runs from a file; the program's random state is left
    as it was.

    Args:
        attributes: Texts about diseases, one name of each among them; or these with where they
            come from.
        settings: Tower and training.
        tokenizer: A tokenizer to use; None trains one on the texts.
        run: Where to keep the tower, and under which name; None keeps nothing.
        accelerator: What it runs on, such as ``cpu`` or ``cuda``.
        precision: Numbers it computes with, as the trainer calls them.

    Raises:
        DataError: If a disease has no name (MV2044) or there are too few for a batch (MV1751).
        MedvlpError: If training fails (MV1703).
    """
    source = attributes
    if not isinstance(source, KnowledgeSource):
        source = KnowledgeSource(attributes=tuple(source))
    data = AttributesDataModule(
        source,
        groups=GroupBatches(
            groups_per_batch=settings.diseases_per_batch,
            samples_per_group=settings.texts_per_disease,
            with_anchor=True,
        ),
        tokenizer=tokenizer or TokenizerSettings(vocab_size=settings.vocab_size),
        max_tokens=settings.max_tokens,
        validation_share=settings.validation_share,
        seed=settings.seed,
    )
    module = KnowledgeModule(
        text=settings.text,
        embed_dim=settings.embed_dim,
        optimizer=settings.optimizer,
        schedule=settings.schedule,
        temperature=settings.temperature,
        learn_temperature=settings.learn_temperature,
        variant=settings.variant,
        seed=settings.seed,
    )
    with quiet_libraries(), pl.utilities.seed.isolate_rng():
        pl.seed_everything(settings.seed, verbose=False)
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=1,
            precision=precision,
            max_epochs=settings.epochs,
            max_steps=settings.max_steps,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(module, datamodule=data)
        if run is not None:
            write_text_tower(module, run, settings.model_dump(mode="json"))
    scores = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return TrainedText(module.network().cpu().eval(), data.tokenizer, scores)
