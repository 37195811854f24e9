"""Kinds of releases are chosen by name, and nothing is overwritten."""

from pathlib import Path

import pytest

from medvlp.errors import MedvlpError
from medvlp.models.importers.kinds import IMPORTERS, import_release
from medvlp.models.importers.records import ImportRequest


def test_importers__are_the_kinds_that_are_documented():
    slides = ["biomedclip", "keep", "kep", "open-clip", "plip", "quiltnet"]
    volumes = ["ct-clip", "ct-fm", "merlin", "renalclip"]
    radiographs = ["carzero", "kad", "mavl", "medklip"]
    assert list(IMPORTERS) == sorted(slides + volumes + radiographs)
    turned = [kind for kind in IMPORTERS if "orientation" in IMPORTERS.get(kind).options]
    assert turned == volumes
    read = [kind for kind in IMPORTERS if "text_model" in IMPORTERS.get(kind).options]
    assert read == radiographs
    assert all(IMPORTERS.get(kind).summary for kind in IMPORTERS)


def test_import_release__names_the_nearest_kind(tmp_path):
    request = ImportRequest(source="x", out=tmp_path / "b")
    with pytest.raises(MedvlpError, match=r"'plipp' is unknown \(did you mean 'plip'") as caught:
        import_release("plipp", request)
    assert caught.value.code == "MV1003"


@pytest.mark.parametrize("form", ["file", "folder"])
def test_import_release__does_not_overwrite(tmp_path, form):
    out = tmp_path / "b"
    if form == "file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / "mine").write_text("mine")
    with pytest.raises(MedvlpError, match="is there already") as caught:
        import_release("keep", ImportRequest(source=str(tmp_path), out=out))
    assert caught.value.code == "MV2112"


def test_import_release__tells_a_bad_scale_before_reading(tmp_path):
    with pytest.raises(MedvlpError) as caught:
        import_release("keep", ImportRequest(source="nothing", out=tmp_path / "b", mpp=-1.0))
    assert caught.value.code == "MV2109"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("keep", {"texts": Path("t.npz")}),
        ("plip", {"orientation": "LPS"}),
        ("renalclip", {"mpp": 0.5}),
        ("ct-fm", {"tile_px": 256}),
        ("ct-fm", {"texts": Path("t.npz")}),
        ("merlin", {"tokenizer": Path("t")}),
        ("ct-clip", {"texts": Path("t.npz")}),
        ("renalclip", {"architecture": "ViT-B-16"}),
        ("keep", {"text_model": "bert"}),
        ("carzero", {"input_px": 224}),
        ("kad", {"orientation": "LPS"}),
    ],
)
def test_import_release__refuses_an_option_that_the_kind_does_not_have(tmp_path, kind, options):
    request = ImportRequest(source="nothing", out=tmp_path / "b", **options)
    with pytest.raises(MedvlpError, match=f"has no meaning for .*{kind}") as caught:
        import_release(kind, request)
    assert caught.value.code == "MV2113"
