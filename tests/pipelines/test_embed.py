"""Slides to feature files: equal to a plain script, reused only where nothing changed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import openslide
import pytest
import timm
import torch
from PIL import Image

from medvlp.embedding.tiles import EmbedSettings
from medvlp.jobs.progress import NullProgress
from medvlp.jobs.runner import JobReport, LeaseSettings
from medvlp.models.image_encoder import load_image_encoder
from medvlp.pipelines.discover import discover_cases
from medvlp.pipelines.embed import embed_slides, model_key
from medvlp.slides.features import read_features
from medvlp.slides.tiling import TilingConfig

TOWER = "timm:test_vit"


def run(source: Path, out: Path, *, model: str = TOWER, **changes: object) -> JobReport:
    settings = replace(EmbedSettings(), **changes)
    return embed_slides(
        discover_cases(source, exclude=[out]),
        load_image_encoder(model),
        settings,
        out,
        progress=NullProgress(),
        lease=LeaseSettings(),
    )


def statuses(report: JobReport) -> list[str]:
    return [outcome.status for outcome in report.outcomes]


@pytest.fixture(scope="module")
def embedded(phantom_slides: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("embedded")
    assert statuses(run(phantom_slides, out)) == ["done"] * 4
    return out


def features_of(out: Path, key: str = "phantom_000", model: str = TOWER) -> Path:
    return out / "features" / model_key(model) / f"{key}.h5"


def test_embed_slides__equals_a_plain_script(phantom_slides: Path, embedded: Path) -> None:
    found = read_features(features_of(embedded))
    tower = timm.create_model("test_vit", pretrained=False, num_classes=0).eval()
    encoder = load_image_encoder(TOWER)
    tower.load_state_dict(encoder._tower.state_dict())
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=tower))
    slide = openslide.OpenSlide(phantom_slides / "phantom_000.tif")
    expected = []
    for x, y in found.coords[:12].tolist():
        region = slide.read_region((x, y), 0, (256, 256)).convert("RGB")
        with torch.inference_mode():
            expected.append(tower(transform(region)[None])[0].numpy())
    scale = np.abs(expected).max()
    assert np.abs(found.features[:12] - expected).max() / scale < 1e-3


def test_embed_slides__resamples_as_pil_does_at_another_scale(
    phantom_slides: Path, tmp_path: Path
) -> None:
    run(phantom_slides, tmp_path, tiling=TilingConfig(mpp=0.8, tile_px=128))
    found = read_features(features_of(tmp_path))
    encoder = load_image_encoder(TOWER)
    transform = timm.data.create_transform(
        **timm.data.resolve_data_config({}, model=encoder._tower)
    )
    slide = openslide.OpenSlide(phantom_slides / "phantom_000.tif")
    side = round(128 * 0.8 / 0.5)
    x, y = found.coords[3].tolist()
    region = slide.read_region((x, y), 0, (side, side)).convert("RGB")
    tile = region.resize((128, 128), Image.Resampling.BICUBIC)
    with torch.inference_mode():
        expected = encoder._tower(transform(tile)[None])[0].numpy()
    assert np.abs(found.features[3] - expected).max() / np.abs(expected).max() < 1e-3
    assert found.meta.true_mpp_xy == pytest.approx((side * 0.5 / 128,) * 2)


def test_embed_slides__describes_what_it_wrote(embedded: Path) -> None:
    meta = read_features(features_of(embedded)).meta
    assert meta.encoder == TOWER
    assert (meta.target_mpp, meta.tile_px, meta.overlap) == (0.5, 256, 0.0)
    assert not meta.is_projected
    assert meta.mpp_source == "metadata"
    assert meta.case_key == "phantom_000"


def test_embed_slides__reuses_what_is_unchanged(phantom_slides: Path, embedded: Path) -> None:
    before = features_of(embedded).stat().st_mtime_ns
    assert statuses(run(phantom_slides, embedded)) == ["reused"] * 4
    assert features_of(embedded).stat().st_mtime_ns == before


def test_embed_slides__writes_equal_bytes_again(
    phantom_slides: Path, embedded: Path, tmp_path: Path
) -> None:
    run(phantom_slides, tmp_path)
    assert features_of(tmp_path).read_bytes() == features_of(embedded).read_bytes()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"tiling": TilingConfig(mpp=1.0)}, "MV1303"),
        ({"tiling": TilingConfig(tile_px=224)}, "MV1303"),
        ({"tiling": TilingConfig(min_tissue=0.1)}, "MV1306"),
    ],
)
def test_embed_slides__refuses_features_made_otherwise(
    phantom_slides: Path, embedded: Path, changes: dict[str, object], code: str
) -> None:
    report = run(phantom_slides, embedded, **changes)
    assert {outcome.code for outcome in report.failures} == {code}
    assert report.exit_code == 1


def test_embed_slides__refuses_features_of_a_changed_slide(
    phantom_slides: Path, tmp_path: Path
) -> None:
    slide = tmp_path / "in" / "a.tif"
    slide.parent.mkdir()
    slide.write_bytes((phantom_slides / "phantom_000.tif").read_bytes())
    run(slide, tmp_path / "out")
    slide.write_bytes((phantom_slides / "phantom_001.tif").read_bytes())
    report = run(slide, tmp_path / "out")
    assert [outcome.code for outcome in report.failures] == ["MV1305"]


def test_embed_slides__fails_a_damaged_slide_and_finishes_the_rest(
    phantom_slides: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    content = (phantom_slides / "phantom_000.tif").read_bytes()
    (folder / "good.tif").write_bytes(content)
    (folder / "cut.tif").write_bytes(content[: len(content) // 2])
    (folder / "empty.tif").touch()
    report = run(folder, tmp_path / "out")
    outcome = {item.case_id: item for item in report.outcomes}
    assert outcome["good.tif"].status == "done"
    assert outcome["cut.tif"].status == outcome["empty.tif"].status == "failed"
    rows = (tmp_path / "out" / "failures.csv").read_text().splitlines()
    assert rows[0] == "case_id,stage,code,reason,hint"
    assert len(rows) == 3
    assert not list((tmp_path / "out").rglob("*cut*.h5"))


def test_embed_slides__lists_undecodable_tiles_and_keeps_the_others(
    real_data: Path, tmp_path: Path
) -> None:
    slide = real_data / "broken" / "wsi" / "cmu1_zeroed_tiles.svs"
    report = run(slide, tmp_path, max_failed_share=0.9)
    assert statuses(report) == ["done"]
    found = read_features(features_of(tmp_path, "cmu1_zeroed_tiles"))
    assert len(found.failed_coords) > 0
    assert len(found.coords) > 0
    assert (found.failed_status == 1).all()


def test_embed_slides__fails_a_slide_with_too_many_undecodable_tiles(
    real_data: Path, tmp_path: Path
) -> None:
    slide = real_data / "broken" / "wsi" / "cmu1_zeroed_tiles.svs"
    report = run(slide, tmp_path, max_failed_share=0.001)
    assert [outcome.code for outcome in report.failures] == ["MV1210"]
    assert not list(tmp_path.rglob("*.h5"))
