"""Paint the organs around the kidneys: liver, spleen, vessels, pancreas, stomach, bowel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.phantoms.abdomen.contrast import tissue_hu
from medvlp.phantoms.abdomen.names import LABELS
from medvlp.phantoms.abdomen.shapes import Ellipsoid, Tube, ripples

if TYPE_CHECKING:
    from medvlp.phantoms.abdomen.canvas import Canvas
    from medvlp.phantoms.abdomen.shapes import Vector

__all__ = ["paint_bowel", "paint_organs", "paint_vessels"]


def _moved(rng: np.random.Generator, place: Vector, spread_mm: float = 4.0) -> Vector:
    x, y, z = np.asarray(place) + rng.uniform(-spread_mm, spread_mm, 3)
    return float(x), float(y), float(z)


def paint_organs(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint liver, spleen, gallbladder, pancreas, duodenum, adrenal glands and stomach.

    Args:
        canvas: Where to.
        rng: Source of the patient's own shapes.
    """
    seed = int(rng.integers(2**31))
    size = float(rng.uniform(0.95, 1.05))
    heart = Ellipsoid(_moved(rng, (22, -72, 172)), (62, 44, 46), bumps=0.04, bump_mm=80, seed=seed)
    canvas.paint(heart, tissue_hu("vena cava", canvas.phase, canvas.dose), LABELS["heart"])
    _paint_solid(
        canvas,
        [
            Ellipsoid(
                _moved(rng, (-76, -36, 52)),
                (76 * size, 86 * size, 78 * size),
                ((0.96, 0.0, 0.28), (0.0, 1.0, 0.0), (-0.28, 0.0, 0.96)),
                bumps=0.03,
                bump_mm=150,
                seed=seed,
            ),
            Ellipsoid(_moved(rng, (-5, -98, 66)), (72, 30, 42), bumps=0.03, bump_mm=120, seed=seed),
            Ellipsoid(_moved(rng, (-95, -20, 5)), (36, 48, 62), bumps=0.03, bump_mm=120, seed=seed),
        ],
        "liver",
        seed,
    )
    _paint_solid(
        canvas,
        [
            Ellipsoid(
                _moved(rng, (95, 10, 48)),
                (28, 50 * size, 58 * size),
                ((0.9, -0.43, 0.0), (0.43, 0.9, 0.0), (0.0, 0.0, 1.0)),
                bumps=0.03,
                bump_mm=90,
                seed=seed + 1,
            )
        ],
        "spleen",
        seed + 1,
    )
    gallbladder = Ellipsoid(_moved(rng, (-52, -88, -4)), (15, 21, 26), bumps=0.05, seed=seed)
    canvas.paint(gallbladder, tissue_hu("bile", canvas.phase), LABELS["gallbladder"])
    _paint_small_organs(canvas, rng)
    _paint_stomach(canvas, rng, seed)


def _paint_solid(canvas: Canvas, parts: list[Ellipsoid], tissue: str, seed: int) -> None:
    """Paint the parts of an organ, brightest where its vessels run."""
    mean = tissue_hu(tissue, canvas.phase, canvas.dose)
    vessel = tissue_hu("portal vein", canvas.phase, canvas.dose) - mean
    for part in parts:
        found = canvas.cover(part, in_cavity=True)
        if found is None:
            continue
        box, positions, share = found
        hu = np.float32(mean) + np.float32(3) * ripples(positions, 40.0, seed, octaves=1)
        if tissue == "liver":
            threads = 1 - np.abs(ripples(positions, 60.0, 11, octaves=1)) / np.float32(0.09)
            crossing = 1 - np.abs(ripples(positions, 50.0, 12, octaves=1)) / np.float32(0.35)
            hu = hu + np.float32(0.8 * vessel) * np.clip(threads, 0, 1) * np.clip(crossing, 0, 1)
        elif canvas.phase == "A":
            hu = hu + np.float32(22) * ripples(positions, 17.0, seed)
        canvas.blend(box, share, hu.astype(np.float32), LABELS[tissue])


def _paint_small_organs(canvas: Canvas, rng: np.random.Generator) -> None:
    pancreas = tissue_hu("pancreas", canvas.phase, canvas.dose)
    chain = [(-28, -58, -8), (-10, -64, 4), (18, -62, 12), (46, -48, 20), (72, -26, 28)]
    places = [_moved(rng, place, 3.0) for place in chain]
    for start, end, radius in zip(places[:-1], places[1:], (13, 10, 9, 9), strict=True):
        canvas.paint(Tube(start, end, radius, 0.12, 13), pancreas, LABELS["pancreas"])
    wall = tissue_hu("bowel wall", canvas.phase, canvas.dose)
    for start, end in (((-38, -60, 8), (-42, -48, -32)), ((-42, -48, -32), (0, -52, -42))):
        canvas.paint(Tube(start, end, 12, 0.1, 14), wall, LABELS["duodenum"])
        canvas.paint(Tube(start, end, 8), tissue_hu("bowel fluid", canvas.phase))
    gland = tissue_hu("adrenal gland", canvas.phase, canvas.dose)
    for side, word, x in ((1.0, "left", 34), (-1.0, "right", -30)):
        label, top = LABELS[f"adrenal_gland_{word}"], (x, -24, 38 if side > 0 else 34)
        for away in (-7.0, 8.0):
            canvas.paint(Tube(top, (x + away, -8, top[2] - 12), 3.2), gland, label)


def _paint_stomach(canvas: Canvas, rng: np.random.Generator, seed: int) -> None:
    """Paint the stomach: gas in front, fluid behind, with a level between them."""
    wall = tissue_hu("bowel wall", canvas.phase, canvas.dose)
    middle = _moved(rng, (52, -66, 46), 6.0)
    level = np.float32(middle[1] - rng.uniform(2, 16))
    for place, radii in ((middle, (34, 34, 44)), ((18, -88, 12), (34, 20, 22))):
        for grow, inside in ((0.0, False), (-5.0, True)):
            shape = Ellipsoid(
                place,
                (radii[0] + grow, radii[1] + grow, radii[2] + grow),
                bumps=0.06,
                bump_mm=60,
                seed=seed + 2,
            )
            found = canvas.cover(shape, in_cavity=True)
            if found is None:
                continue
            box, positions, share = found
            if not inside:
                canvas.blend(box, share, wall, LABELS["stomach"])
                continue
            gas = np.float32(tissue_hu("bowel gas", canvas.phase))
            fluid = np.float32(tissue_hu("bowel fluid", canvas.phase))
            hu = np.where(positions[1] < level, gas, fluid)
            canvas.blend(box, share, np.broadcast_to(hu, share.shape))


def paint_vessels(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint aorta, vena cava, portal vein, the arteries of the gut, and the hips' vessels.

    Args:
        canvas: Where to.
        rng: Source of the patient's own shapes.
    """
    aorta = tissue_hu("aorta", canvas.phase, canvas.dose)
    cava = tissue_hu("vena cava", canvas.phase, canvas.dose)
    portal = tissue_hu("portal vein", canvas.phase, canvas.dose)
    wide = float(rng.uniform(8.5, 11.0))
    for start, end in (((9, -45, -120), (9, -43, 60)), ((9, -43, 60), (12, -25, 210))):
        canvas.paint(Tube(start, end, wide), aorta, LABELS["aorta"])
    for start, end in (((-17, -46, -125), (-20, -48, 30)), ((-20, -48, 30), (-26, -52, 130))):
        canvas.paint(Tube(start, end, 11.5), cava, LABELS["inferior_vena_cava"])
    for side in (1.0, -1.0):
        canvas.paint(Tube((9, -45, -118), (side * 45, -38, -230), 6.5), aorta)
        canvas.paint(Tube((-17, -44, -125), (side * 42, -28, -230), 8.0), cava)
    canvas.paint(Tube((9, -52, 8), (6, -68, -20), 4.0), aorta)
    canvas.paint(Tube((6, -68, -20), (0, -80, -110), 3.5), aorta)
    canvas.paint(Tube((-6, -68, -20), (-14, -80, -110), 5.0), portal)
    for start, end in (((-8, -62, 6), (-42, -66, 32)), ((-8, -62, 6), (82, -20, 36))):
        canvas.paint(Tube(start, end, 6.0), portal, LABELS["portal_vein_and_splenic_vein"])


def paint_bowel(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint small bowel and colon.

    Args:
        canvas: Where to.
        rng: Source of the patient's own shapes.
    """
    wall = tissue_hu("bowel wall", canvas.phase, canvas.dose)
    fluid = tissue_hu("bowel fluid", canvas.phase)
    gas = tissue_hu("bowel gas", canvas.phase)
    places = rng.uniform((-66, -112, -215), (72, -54, -28), (46, 3))
    for middle in places:
        turn = rng.normal(size=3) * (1, 0.6, 0.6)
        way = 26 * turn / np.linalg.norm(turn)
        x, y, z = (float(value) for value in middle)
        start: Vector = (x - float(way[0]), y - float(way[1]), z - float(way[2]))
        end: Vector = (x + float(way[0]), y + float(way[1]), z + float(way[2]))
        radius = float(rng.uniform(8.5, 13))
        has_gas = bool(rng.uniform() < 0.15)
        canvas.paint(
            Tube(start, end, radius, 0.12, 12), wall, LABELS["small_bowel"], in_cavity=True
        )
        canvas.paint(
            Tube(start, end, radius - 3, 0.2, 12), gas if has_gas else fluid, in_cavity=True
        )
    _paint_mesentery(canvas, rng)
    _paint_colon(canvas, rng, wall)


def _paint_mesentery(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint small vessels that fan out to the bowel."""
    blood = tissue_hu("portal vein", canvas.phase, canvas.dose)
    for end in rng.uniform((-80, -115, -170), (95, -50, 10), (32, 3)):
        root = np.asarray((2.0, -72.0, -40.0)) + rng.uniform(-18, 18, 3) * (1, 0.4, 2)
        start = root + 0.35 * (end - root)
        x0, y0, z0, x1, y1, z1 = (float(value) for value in (*start, *end))
        canvas.paint(Tube((x0, y0, z0), (x1, y1, z1), float(rng.uniform(1.0, 2.2))), blood)


def _paint_colon(canvas: Canvas, rng: np.random.Generator, wall: float) -> None:
    """Paint the colon: gas in front, stool behind."""
    way: list[tuple[Vector, Vector, float]] = [
        ((-86, -48, -190), (-90, -44, -64), 24),
        ((-90, -44, -64), (-70, -86, -40), 21),
        ((-70, -86, -40), (0, -104, -48), 20),
        ((0, -104, -48), (78, -84, -4), 20),
        ((78, -84, -4), (98, -46, 20), 19),
        ((98, -46, 20), (102, -26, -80), 15),
        ((102, -26, -80), (88, -40, -200), 14),
    ]
    seed = int(rng.integers(2**31))
    gassy = rng.uniform(-8, 8, len(way))
    inner = tissue_hu("stool", canvas.phase)
    for index, (start, end, radius) in enumerate(way):
        canvas.paint(Tube(start, end, radius, 0.22), wall, LABELS["colon"], in_cavity=True)
        found = canvas.cover(Tube(start, end, radius - 3, 0.26), in_cavity=True)
        if found is None:
            continue
        box, positions, share = found
        level = (start[1] + end[1]) / 2 + float(gassy[index])
        specks = np.clip(ripples(positions, 11.0, seed) - np.float32(0.45), 0, 1)
        stool = np.float32(inner) - np.float32(500) * specks
        gas = np.float32(tissue_hu("bowel gas", canvas.phase))
        hu = np.where(positions[1] < np.float32(level), gas, stool)
        canvas.blend(box, share, np.broadcast_to(hu, share.shape))
