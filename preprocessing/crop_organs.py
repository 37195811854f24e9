"""Scans, masks and reports to a folder of crops of each kidney, with text, labels and follow-up.

Command: python -m preprocessing.crop_organs configs/preprocess/kidneys.yaml manifest=M.csv out=OUT
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from medvlp.cli.entry import run
from medvlp.config.strict import StrictModel
from medvlp.errors import ConfigError
from medvlp.io import check_output_folder
from medvlp.jobs.progress import Progress
from medvlp.jobs.runner import JobReport, LeaseSettings
from medvlp.pipelines.crop_organs import CropSettings, crop_organs
from medvlp.pipelines.training_scans import read_side_labels, read_training_scans
from medvlp.text.reports.extraction import RulesExtractor
from medvlp.text.reports.schema import AttributeSchema, load_schema
from medvlp.types import TensorAxes, VolumePreprocessing
from medvlp.volumes.crops import CropSpec
from medvlp.volumes.label_names import LabelScheme
from medvlp.volumes.organ_sides import OrganPlan

__all__ = ["CropOrgansConfig", "main"]

Millimetres = Annotated[float, Field(gt=0, le=100)]
Size = Annotated[int, Field(ge=4, le=1024)]
Margin = Annotated[int, Field(ge=0, le=256)]


class CropOrgansConfig(StrictModel):
    """What to crop, where to, and how."""

    manifest: Path
    """CSV or Parquet: path, mask, patient_id, split; optional case_id, phase, side, report, or
    findings and impression, malignant (with side), months, event."""
    out: Path
    """Output folder; the same command goes on after a stop."""
    labels: Path | None = None
    """CSV with patient_id, side, malignant and the attributes of label_classes."""
    label_classes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Attribute of the label table -> names of its classes."""
    region: str = "kidney"
    """Name of the organ, as models know it."""
    structures: tuple[str, ...] = ("kidney", "kidney_tumor", "kidney_cyst", "tumor", "cyst")
    """Labels that make the organ, without their side; those that a mask does not know are left."""
    centre_on: tuple[str, ...] = ()
    """Labels that boxes are centred on instead (kidney_tumor); sides without are left out."""
    spacing_mm: tuple[Millimetres, Millimetres, Millimetres] = (4.0, 1.0, 1.0)
    """Distance of voxels along z, y, x."""
    shape_zyx: tuple[Size, Size, Size] = (32, 128, 128)
    """Voxels that the model sees."""
    margin_zyx: tuple[Margin, Margin, Margin] = (8, 12, 12)
    """Voxels stored beyond these, for random crops."""
    orientation: Annotated[str, Field(pattern=r"^[LRAPSI]{3}$")] = "LPS"
    """Sides towards which x, y and z grow."""
    axes: TensorAxes = "zxy"
    """Order in which the axes are handed to the network."""
    window_hu: tuple[float, float] = (-200.0, 300.0)
    """The window that models see."""
    air_hu: float = -1000.0
    """Value of places outside the scan."""
    attributes: str | None = "kidney"
    """Schema of attributes that are read from reports, by name or path; null for none."""
    keep_silent: bool = True
    """Whether a side of which its report says nothing is kept, as one without abnormalities."""
    patient_salt: str = ""
    """Put before patients' names when they are hashed; keep it secret to keep them so."""
    irregular: Literal["refuse", "resample"] = "refuse"
    """What becomes of missing, uneven or leaning slices."""
    mask_names: LabelScheme | None = None
    """Names of the labels of masks that do not name them themselves."""


def main(config: CropOrgansConfig) -> JobReport:
    """Crop every scan of the manifest."""
    check_output_folder(config.out)
    schema = _schema(config)
    labels = {} if config.labels is None else read_side_labels(config.labels, config.label_classes)
    scans = read_training_scans(
        config.manifest,
        extractor=None if schema is None else RulesExtractor(schema),
        labels=labels,
        salt=config.patient_salt,
    )
    with Progress(len(scans), "scans", label="Cropping") as progress:
        return crop_organs(
            scans,
            _settings(config, schema),
            config.out,
            progress=progress,
            lease=LeaseSettings(),
        )


def _schema(config: CropOrgansConfig) -> AttributeSchema | None:
    if config.attributes is None:
        return None
    name = config.attributes
    schema = load_schema(Path(name) if name.endswith((".yaml", ".yml")) else name)
    clash = sorted(set(schema.attributes) & set(config.label_classes))
    if schema.organ is None or clash:
        why = f"and label_classes both name {clash[0]!r}" if clash else "tells no sides apart"
        raise ConfigError(
            "MV1002",
            f"attributes: schema {schema.name} {why}",
            expected="a schema of a paired organ, its attributes apart from those of the labels",
        )
    return schema


def _settings(config: CropOrgansConfig, schema: AttributeSchema | None) -> CropSettings:
    seen = VolumePreprocessing(
        spacing_mm=config.spacing_mm,
        shape_zyx=config.shape_zyx,
        orientation=config.orientation,
        axes=config.axes,
        window_hu=config.window_hu,
        air_hu=config.air_hu,
        region=config.region,
    )
    z, y, x = (
        (size + margin) * mm
        for size, margin, mm in zip(
            config.shape_zyx, config.margin_zyx, config.spacing_mm, strict=True
        )
    )
    stated = {} if schema is None else {n: a.class_names for n, a in schema.attributes.items()}
    plan = OrganPlan(
        structures=config.structures,
        centre_on=config.centre_on,
        spec=CropSpec(
            box_mm=(z, y, x),
            spacing_mm=config.spacing_mm,
            orientation=config.orientation,
            air_hu=config.air_hu,
        ),
        irregular=config.irregular,
        mask_names=config.mask_names,
    )
    return CropSettings(
        plan=plan,
        preprocessing=seen,
        attributes={**stated, **config.label_classes},
        schema_name="" if schema is None else schema.name,
        keep_silent=config.keep_silent,
    )


if __name__ == "__main__":
    raise SystemExit(run(main, CropOrgansConfig))
