"""The card of an imported model says where it comes from and what is not known."""

import pytest

from medvlp.errors import UsageError
from medvlp.models.importers.records import ImportRequest, Origin, make_card
from medvlp.types import ImagePreprocessing

ORIGIN = Origin(name="plip", data="tweets", license="unknown", notes=("Mind this.",))
PREPROCESSING = ImagePreprocessing(
    input_px=8, resize_px=8, interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3
)


def test_make_card__keeps_hashes_of_the_files_it_was_made_from(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc")
    request = ImportRequest(source="x", out=tmp_path / "b", mpp=0.25, tile_px=512)
    card = make_card(request, ORIGIN, PREPROCESSING, [path])
    assert card.provenance.sources["a.bin"].startswith("ba7816bf")
    assert card.scale is not None
    assert (card.scale.mpp, card.scale.tile_px) == (0.25, 512)
    assert (card.name, card.license, card.provenance.notes) == ("plip", "unknown", ("Mind this.",))


def test_make_card__says_that_the_scale_is_not_known(tmp_path):
    card = make_card(ImportRequest(source="x", out=tmp_path), ORIGIN, PREPROCESSING, [])
    assert card.scale is None
    assert "No physical scale" in card.provenance.notes[-1]


@pytest.mark.parametrize(("mpp", "tile_px"), [(None, 256), (-1.0, None), (0.5, 0), (2000.0, 256)])
def test_scale__refuses_what_is_none(tmp_path, mpp, tile_px):
    with pytest.raises(UsageError) as caught:
        ImportRequest(source="x", out=tmp_path, mpp=mpp, tile_px=tile_px).scale()
    assert caught.value.code == "MV2109"
