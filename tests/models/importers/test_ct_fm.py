"""A file in CT-FM's layout gives the features that its weights stand for."""

import json

import pytest
import safetensors.torch
import torch

from medvlp.errors import ModelError
from medvlp.models.importers.ct_fm import CT_FM_BOX
from medvlp.models.importers.kinds import import_release
from medvlp.models.importers.records import ImportRequest
from medvlp.models.volume.bundle import load_volume_bundle
from tests.models.importers.volume_releases import (
    boxes_of,
    ct_fm_features,
    ct_fm_tensors,
    windowed,
)

CONFIG = {"spatial_dims": 3, "in_channels": 1, "init_filters": 2, "blocks_down": [1, 1, 2]}


def write(folder, tensors, config=None):
    folder.mkdir(exist_ok=True)
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def run(source, tmp_path, **options):
    request = ImportRequest(source=str(source), out=tmp_path / "bundle", **options)
    return import_release("ct-fm", request)


def test_import_ct_fm__gives_the_features_of_an_independent_network(tmp_path):
    tensors = ct_fm_tensors()
    report = run(write(tmp_path / "r", tensors, CONFIG), tmp_path)
    encoder = load_volume_bundle(report.folder).volume_encoder
    hu = boxes_of((32, 128, 128))
    expected = ct_fm_features(tensors, windowed(hu, -1024, 2048))
    torch.testing.assert_close(encoder.embed(hu), expected, rtol=1e-5, atol=1e-5)
    assert (encoder.dim, encoder.is_projected, encoder.is_normalized) == (8, False, False)
    assert encoder.preprocessing == CT_FM_BOX
    assert (CT_FM_BOX.box_mm, CT_FM_BOX.orientation) == ((96.0, 128.0, 128.0), "LPS")
    assert (CT_FM_BOX.air_hu, CT_FM_BOX.region) == (-1024.0, None)
    assert set(report.meta.provenance.sources) == {"config.json", "model.safetensors"}
    assert "monai" in report.meta.provenance.libraries


def test_import_ct_fm__needs_no_settings_file(tmp_path):
    report = run(write(tmp_path / "r", ct_fm_tensors()), tmp_path)
    image = report.meta.architecture.image
    assert (image.init_filters, image.blocks, image.norm) == (2, (1, 1, 2), "batch")


@pytest.mark.parametrize(
    ("change", "code", "phrase"),
    [
        (lambda t: t.pop("layers.1.downsample.weight"), "MV2105", "1 missing: .*downsample"),
        (lambda t: t.update({"up_layers.0.w": torch.ones(1)}), "MV2105", "1 unexpected"),
        (lambda t: t.update({"conv_init.weight": torch.ones(2, 2, 3, 3, 3)}), "MV2106", "conv_in"),
        (
            lambda t: t.update({"encoder.conv_init.weight": t.pop("conv_init.weight")}),
            "MV2105",
            "alone",
        ),
        (lambda t: t.update({"conv_init.weight": torch.ones(300, 1, 3, 3, 3)}), "MV2101", "300"),
    ],
)
def test_import_ct_fm__refuses_what_is_not_of_the_layout(tmp_path, change, code, phrase):
    tensors = ct_fm_tensors()
    change(tensors)
    with pytest.raises(ModelError, match=phrase) as caught:
        run(write(tmp_path / "r", tensors), tmp_path)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "change", [{"act": "elu"}, {"blocks_down": [1, 2, 2]}, {"anisotropic_scales": [[1, 1, 3]]}]
)
def test_import_ct_fm__refuses_settings_that_differ(tmp_path, change):
    with pytest.raises(ModelError, match=next(iter(change))) as caught:
        run(write(tmp_path / "r", ct_fm_tensors(), CONFIG | change), tmp_path)
    assert caught.value.code == "MV2101"
