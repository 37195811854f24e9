"""Three-plane pictures: scale, grey values, outlines and the places without voxels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageDraw

from medvlp.reporting import planes
from medvlp.reporting.legends import ScaleBar
from medvlp.reporting.planes import draw_planes
from medvlp.volumes.sections import Section

_BOX_RGB = (240, 190, 40)
_ORGAN_RGB = (60, 190, 255)
_FRAME_PX = 22


def _section(
    hu: np.ndarray, mm_per_px: tuple[float, float], organ: np.ndarray | None = None
) -> Section:
    return Section(
        plane="axial",
        hu=hu.astype(np.float32),
        mm_per_px=mm_per_px,
        sides=("R", "L", "A", "P"),
        box_px=(2.0, 4.0, 6.0, 8.0),
        organ=organ,
    )


def _is(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (picture == np.array(colour)).all(axis=-1)


def test_draw_planes__keeps_millimetres_square_and_draws_the_box_in_place() -> None:
    flat = _section(np.full((10, 10), -200.0), (5.0, 1.0))
    picture = draw_planes(
        [flat], [flat], title="left", window_hu=(-200.0, 300.0), width_px=344, height_px=500
    )
    # 10 mm wide and 50 mm high at 10 px per mm: the box is 4 columns of 10 px, 4 rows of 50 px
    rows, cols = np.nonzero(_is(picture[:544], _BOX_RGB))
    assert (rows.min(), rows.max()) == (_FRAME_PX + 100, _FRAME_PX + 299)
    width = cols.max() - cols.min() + 1
    assert width == 40


def test_draw_planes__puts_each_letter_at_its_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    placed: dict[str, tuple[float, float]] = {}
    draw_text = ImageDraw.ImageDraw.text

    def note(draw: ImageDraw.ImageDraw, xy: tuple[float, float], text: str, **how: object) -> None:
        if len(text) == 1:
            placed[text] = xy
        draw_text(draw, xy, text, **how)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", note)
    flat = _section(np.zeros((10, 20)), (1.0, 1.0))
    draw_planes([flat], [flat], title="x", window_hu=(-200, 300), width_px=244, height_px=400)
    # 20 mm by 10 mm at 10 px per mm inside the frame: 244 by 144 px
    assert placed == {"R": (11, 72), "L": (233, 72), "A": (122, 11), "P": (122, 133)}


def test_draw_planes__gives_the_scale_bar_the_pictures_scale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bars: list[ScaleBar] = []
    legend = planes.add_legend

    def note(picture: np.ndarray, title: str, items: list, **how: object) -> np.ndarray:
        bars.extend(item for item in items if isinstance(item, ScaleBar))
        return legend(picture, title, items, **how)

    monkeypatch.setattr(planes, "add_legend", note)
    wide, near = _section(np.zeros((10, 40)), (1.0, 1.0)), _section(np.zeros((10, 20)), (1.0, 1.0))
    draw_planes([wide], [near], title="x", window_hu=(-200, 300), width_px=444, height_px=400)
    # 400 px for 40 mm, then for 20 mm: 100 and 50 um a pixel
    assert [bar.um_per_px for bar in bars] == pytest.approx([100.0, 50.0])


def test_draw_planes__maps_the_window_to_black_and_white() -> None:
    ramp = _section(np.repeat([[-500.0, -200.0, 50.0, 300.0, 900.0]], 5, axis=0), (1.0, 1.0))
    picture = draw_planes([ramp], [ramp], title="x", window_hu=(-200.0, 300.0), height_px=400)
    # 80 px per voxel in the lower row, which keeps the edges of voxels; read their middles
    line = picture[picture.shape[0] // 2 + _FRAME_PX + 200, _FRAME_PX + 40 : _FRAME_PX + 400 : 80]
    assert line[:, 0].tolist() == [0, 0, 128, 255, 255]
    assert (line == line[:, :1]).all()


def test_draw_planes__hatches_what_is_not_in_the_scan_and_says_so() -> None:
    hu = np.zeros((10, 10))
    whole = draw_planes(
        [_section(hu, (1.0, 1.0))], [_section(hu, (1.0, 1.0))], title="x", window_hu=(-200, 300)
    )
    hu[7:] = np.nan
    cut = _section(hu, (1.0, 1.0))
    picture = draw_planes([cut], [cut], title="x", window_hu=(-200, 300))
    hatch = (150, 30, 60)
    assert not _is(whole, hatch).any()
    assert _is(picture, hatch).sum() > 2000


def test_draw_planes__outlines_the_organ_only_where_it_lies() -> None:
    organ = np.zeros((10, 10), dtype=bool)
    organ[1:4, 1:4] = True
    hu = np.zeros((10, 10))
    with_mask = draw_planes(
        [_section(hu, (1.0, 1.0), organ)],
        [_section(hu, (1.0, 1.0))],
        title="x",
        window_hu=(-200, 300),
    )
    # 40 px per mm: an outline of 120 x 120 px, one pixel wide, below the box drawn over it
    rows, cols = np.nonzero(_is(with_mask[:444], _ORGAN_RGB))
    assert (rows.min(), rows.max()) == (_FRAME_PX + 40, _FRAME_PX + 159)
    assert cols.max() - cols.min() == 119
    bare = _section(hu, (1.0, 1.0))
    assert not _is(draw_planes([bare], [bare], title="x", window_hu=(-200, 300)), _ORGAN_RGB).any()


def test_draw_planes__refuses_an_empty_window() -> None:
    one = _section(np.zeros((4, 4)), (1.0, 1.0))
    with pytest.raises(ValueError, match="must rise"):
        draw_planes([one], [one], title="x", window_hu=(300.0, -200.0))
    with pytest.raises(ValueError, match="must be sections"):
        draw_planes([], [one], title="x", window_hu=(0.0, 1.0))
