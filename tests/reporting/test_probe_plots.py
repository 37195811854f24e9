import io

import numpy as np
import pytest
from PIL import Image

from medvlp.reporting import probe_plots
from medvlp.reporting.probe_plots import (
    SurvivalGroup,
    draw_calibration,
    draw_kaplan_meier,
    draw_roc,
)


def groups(seed=0):
    rng = np.random.default_rng(seed)
    return [
        SurvivalGroup(name, rng.exponential(scale, 40), rng.integers(0, 2, 40))
        for name, scale in (("low risk", 60), ("high risk", 15))
    ]


@pytest.fixture
def figures(monkeypatch):
    """Catch the figures before they become pixels, to read what they say."""
    seen = []
    to_png = probe_plots._png

    def keep(figure):
        seen.append(figure)
        return to_png(figure)

    monkeypatch.setattr(probe_plots, "_png", keep)
    return seen


def test_draw_kaplan_meier__shows_curves_and_numbers_at_risk(figures):
    low, high = groups()
    image = draw_kaplan_meier([low, high], title="risk", note="log-rank p = 0.01")
    assert Image.open(io.BytesIO(image)).size[0] == 700
    axes, below = figures[0].axes
    ticks = [
        tick for tick in below.get_xticks() if tick <= max(low.months.max(), high.months.max())
    ]
    told = [text.get_text() for text in below.texts]
    expected = [str(int((g.months >= tick).sum())) for g in (low, high) for tick in ticks]
    assert told == expected
    steps = axes.lines[0]
    assert steps.get_ydata()[0] == 1
    assert (np.diff(steps.get_ydata()) <= 0).all()
    legend = figures[0].legends[0]
    assert legend.get_title().get_text() == "log-rank p = 0.01"
    assert "n = 40" in legend.get_texts()[0].get_text()


def test_draw_kaplan_meier__is_the_same_twice_and_takes_one_group():
    low, _ = groups()
    empty = SurvivalGroup("nobody", np.zeros(0), np.zeros(0, np.int64))
    one = draw_kaplan_meier([low, empty], title="risk")
    assert one == draw_kaplan_meier([low], title="risk")
    with pytest.raises(ValueError, match="no group"):
        draw_kaplan_meier([empty], title="risk")


def test_draw_roc__draws_what_has_both_classes(figures):
    scores = np.array([0.1, 0.4, 0.35, 0.8])
    image = draw_roc({"a": ([0, 0, 1, 1], scores), "b": ([1, 1, 1, 1], scores)}, title="t")
    assert image is not None
    curve = figures[0].axes[0].lines[0]
    assert curve.get_xdata().tolist() == [0, 0, 0.5, 0.5, 1]
    assert curve.get_ydata().tolist() == [0, 0.5, 0.5, 1, 1]
    assert len(figures[0].axes[0].lines) == 2
    assert draw_roc({"b": ([1, 1], [0.1, 0.2])}, title="t") is None


def test_draw_calibration__shows_shares_by_bin(figures):
    draw_calibration([0.05, 0.1, 0.95, 0.99, 0.5], [0, 1, 1, 1, 0], title="t")
    curve = figures[0].axes[0].lines[1]
    assert curve.get_xdata() == pytest.approx([0.075, 0.5, 0.97])
    assert curve.get_ydata() == pytest.approx([0.5, 0, 1])
