"""Libraries are quiet inside, and as they were outside."""

import logging
import warnings

import pytest

from medvlp.training.quiet import quiet_libraries


def test_quiet_libraries__hide_their_own_messages_only_and_only_inside():
    logger = logging.getLogger("lightning.pytorch")
    before = (list(warnings.filters), logger.level)
    with quiet_libraries():
        assert logger.level == logging.WARNING
        warnings.warn("The 'x' does not have many workers", stacklevel=1)
        with pytest.raises(UserWarning, match="ours"):
            warnings.warn("ours", stacklevel=1)
    assert (list(warnings.filters), logger.level) == before
