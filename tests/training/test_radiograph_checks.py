"""Pictures must have the size that the network takes."""

import pytest

from medvlp.errors import UsageError
from medvlp.training.radiograph_checks import check_input
from tests.training.phantom_radiographs import ENCODER


def test_check_input__compares_the_sides():
    check_input(64, ENCODER)
    with pytest.raises(UsageError, match="65 pixels a side, and the network takes 64") as caught:
        check_input(65, ENCODER)
    assert caught.value.code == "MV1834"
