import itertools

import numpy as np
import pytest

from medvlp.reporting.palette import NEUTRAL_RGB, class_colours

# Linear RGB as a dichromat sees it: Vienot, Brettel and Mollon 1999 (protan and deutan)
DICHROMAT = {
    "protan": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    "deutan": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
}


def linear(colour) -> np.ndarray:
    share = np.asarray(colour) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lightness_and_hue(rgb_linear: np.ndarray) -> np.ndarray:
    """CIE L*a*b* from linear sRGB, D65."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    ratio = to_xyz @ np.clip(rgb_linear, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", sorted(DICHROMAT))
def test_class_colours__of_eight_classes_differ_for_dichromats(vision: str) -> None:
    names = ["Normal", *"abcdefg"]
    colours = class_colours(names, neutral="Normal")
    seen = [
        lightness_and_hue(np.array(DICHROMAT[vision]) @ linear(colour))
        for colour in colours.values()
    ]
    distances = [float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)]
    assert min(distances) > 8, "a just noticeable difference is about 2.3"


def test_class_colours__do_not_depend_on_the_neutral_class() -> None:
    colours = class_colours(["A", "Normal", "B"], neutral="Normal")
    assert colours["Normal"] == NEUTRAL_RGB
    assert {name: colours[name] for name in "AB"} == class_colours(["A", "B"])
    assert list(colours) == ["A", "Normal", "B"]


def test_class_colours__stay_different_for_many_classes() -> None:
    colours = class_colours([str(number) for number in range(40)])
    assert len(set(colours.values())) == 40
    assert all(0 <= part <= 255 for colour in colours.values() for part in colour)


def test_class_colours__refuses_a_name_twice() -> None:
    with pytest.raises(ValueError, match="must be unique"):
        class_colours(["A", "A"])
