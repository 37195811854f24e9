from dataclasses import replace

import numpy as np
import pytest

from medvlp.data.groups import GroupBatches
from medvlp.data.order import (
    OrderSettings,
    SamplerState,
    check_groups,
    check_state,
    describe_order,
    hash_order,
)
from medvlp.errors import DataError

SETTINGS = OrderSettings(seed=1, batch_size=4)
GROUPED = OrderSettings(
    seed=1, batch_size=4, groups=GroupBatches(groups_per_batch=2, samples_per_group=2)
)


def order(settings=SETTINGS, num_samples=10, group_id=None, data_hash="abc"):
    return describe_order(
        num_samples, settings, group_id=group_id, is_anchor=None, data_hash=data_hash
    )


def test_hash_order__differs_for_everything_that_decides_the_order():
    group_id = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    hashes = {
        hash_order(order()),
        hash_order(order(replace(SETTINGS, seed=2))),
        hash_order(order(replace(SETTINGS, batch_size=5))),
        hash_order(order(replace(SETTINGS, shuffle=False))),
        hash_order(order(replace(SETTINGS, last_batch="keep"))),
        hash_order(order(num_samples=11)),
        hash_order(order(data_hash="def")),
        hash_order(order(GROUPED, group_id=group_id)),
        hash_order(order(GROUPED, group_id=group_id[::-1])),
    }
    assert len(hashes) == 9


def test_check_state__names_what_differs():
    theirs = order(replace(SETTINGS, batch_size=8), data_hash="def")
    state = SamplerState(epoch=0, samples_consumed=8, order_hash=hash_order(theirs), order=theirs)
    with pytest.raises(DataError, match="MV1752") as caught:
        check_state(state, order())
    message = str(caught.value)
    assert hash_order(theirs) in message
    assert hash_order(order()) in message
    assert "batch_size: 8 there, 4 here" in message
    assert "data_hash: 'def' there, 'abc' here" in message
    assert "seed" not in message.split(";")[1]


@pytest.mark.parametrize(("epoch", "consumed"), [(0, 3), (0, -4), (-1, 4)])
def test_check_state__refuses_what_is_not_between_two_batches(epoch, consumed):
    state = SamplerState(
        epoch=epoch, samples_consumed=consumed, order_hash=hash_order(order()), order=order()
    )
    with pytest.raises(DataError, match=f"MV1753: the state stands at epoch {epoch}, sample"):
        check_state(state, order())


@pytest.mark.parametrize(
    ("settings", "arrays", "message"),
    [
        (GROUPED, (None, None), "group_id is missing"),
        (SETTINGS, (np.zeros(10), None), "group_id is given but not used"),
        (GROUPED, (np.arange(9), None), r"group_id has shape \(9,\); expected \(10,\)"),
        (GROUPED, (np.arange(10), np.zeros(10, bool)), "is_anchor is given but not used"),
        (GROUPED, (np.zeros(10), None), "1 groups do not fill one batch; expected 2 at least"),
        (replace(SETTINGS, batch_size=11), (None, None), "10 samples do not fill one batch"),
    ],
)
def test_check_groups__refuses_groups_that_do_not_belong(settings, arrays, message):
    with pytest.raises(DataError, match=f"MV1751: {message}"):
        check_groups(10, settings, *arrays)


@pytest.mark.parametrize(
    "change",
    [{"batch_size": 5}, {"shuffle": False}, {"last_batch": "keep"}],
)
def test_order_settings__refuse_what_has_no_effect_with_groups(change):
    with pytest.raises(ValueError, match="batches of groups are shuffled, full and of 4 samples"):
        replace(GROUPED, **change)


@pytest.mark.parametrize("change", [{"seed": -1}, {"seed": 2**64}, {"batch_size": 0}])
def test_order_settings__refuse_values_out_of_range(change):
    with pytest.raises(ValueError, match="must be in"):
        replace(SETTINGS, **change)
