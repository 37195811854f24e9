"""How pairs become shards; nothing here but values."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from medvlp.config.strict import StrictModel, rule_error
from medvlp.data.image_codec import Encoding
from medvlp.pipelines.pairing.settings import SourceColumns
from medvlp.types import Modality

__all__ = ["ShardColumns", "ShardSettings"]


class ShardColumns(SourceColumns):
    """Names of a table's columns, or of the keys in the JSON of a tar's sample.

    Attributes:
        sample_id: Name of the sample, where the source gives one.
    """

    sample_id: str = "sample_id"


class ShardSettings(StrictModel):
    """How pairs are written.

    Attributes:
        columns: Names of the source's columns.
        modality: What the images are.
        mpp: Micrometres per pixel of all images; null where it does not apply.
        samples_per_shard: Samples in one shard, those that turn out bad included.
        encoding: What images are compressed as that cannot be taken as they are.
        longest_px: Larger images are scaled down to this longer side; null leaves their size.
        most_bad: Largest share of samples that may be bad.
    """

    columns: ShardColumns = ShardColumns()
    modality: Modality = "slide"
    mpp: Annotated[float, Field(gt=0)] | None = None
    samples_per_shard: Annotated[int, Field(ge=1, le=1_000_000)] = 2000
    encoding: Encoding = "jpg"
    longest_px: Annotated[int, Field(ge=8)] | None = None
    most_bad: Annotated[float, Field(ge=0, le=1)] = 0.05

    @model_validator(mode="after")
    def _check_scale_holds(self) -> Self:
        if self.mpp is not None and self.longest_px is not None:
            raise rule_error(
                "MV2134",
                f"images may be scaled to {self.longest_px} px, and mpp={self.mpp} would not hold",
                expected="images that keep their size where their scale is stated",
                hint="set longest_px=null, or leave mpp out",
            )
        return self
