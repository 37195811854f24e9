"""What is told of a judged X-ray: how a finding can be known, and what was noticed."""

import numpy as np
import pytest

from medvlp.pipelines.radiograph_folder import FindingTarget, radiograph_notes
from medvlp.radiographs.framed import FramedRadiograph
from medvlp.radiographs.framing import frame_image
from medvlp.radiographs.image import Radiograph


def target(name: str, *, known: bool, seen: bool | None) -> FindingTarget:
    return FindingTarget(name=name, finding=name, is_known=known, is_seen=seen, threshold=0.5)


def framed(**changes: object) -> FramedRadiograph:
    pixels = np.random.default_rng(0).random((6, 4), dtype=np.float32)
    values = {
        "pixels": pixels,
        "spacing_mm": None,
        "view": None,
        "laterality": None,
        "bits_stored": 8,
        "photometric": "MONOCHROME2",
        "value_range": "full-range",
        "burned_in": None,
    }
    square, frame = frame_image(pixels, 8)
    image = Radiograph(**(values | changes))
    return FramedRadiograph(
        image=image, shape=(6, 4), square=square, frame=frame, content_sha256="0" * 64
    )


@pytest.mark.parametrize(
    ("known", "seen", "kind"),
    [
        (True, True, "seen in training"),
        (True, False, "unseen, described"),
        (False, False, "unseen, free text"),
        (True, None, "unknown training"),
    ],
)
def test_finding_target__says_how_it_can_be_known(known, seen, kind) -> None:
    assert target("a", known=known, seen=seen).kind == kind


def test_radiograph_notes__tell_of_text_in_the_pixels_and_of_unseen_findings() -> None:
    targets = (
        target("a", known=True, seen=True),
        target("b", known=True, seen=False),
        target("c", known=False, seen=False),
    )
    notes = radiograph_notes(framed(burned_in=True, notes=("Turned over.",)), targets)
    assert notes[0] == "Turned over."
    assert "text is drawn" in notes[1]
    assert notes[2].endswith("judged by their description: b.")
    assert notes[3].endswith("by their words alone: c.")


def test_radiograph_notes__say_where_a_model_does_not_tell_what_it_saw() -> None:
    (note,) = radiograph_notes(framed(), (target("a", known=True, seen=None),))
    assert "does not tell" in note
    assert radiograph_notes(framed(), ()) == ()


def test_radiograph_notes__name_a_dozen_at_most() -> None:
    targets = tuple(target(f"f{n}", known=True, seen=False) for n in range(20))
    (note,) = radiograph_notes(framed(), targets)
    assert note.endswith("f11 and 8 more.")
