"""Phantom chest X-rays."""

import pytest

from medvlp.phantoms.chest.picture import paint_chest


@pytest.fixture(scope="session")
def phantom():
    """A picture with a finding on each side."""
    return paint_chest(7, {"hobrel": "left", "pelquin": "right"})
