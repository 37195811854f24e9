"""Settings of shards that do not go together are refused."""

import pytest
from pydantic import ValidationError

from medvlp.pipelines.sharding.settings import ShardSettings


def test_shard_settings__refuse_a_scale_of_images_that_may_be_scaled():
    assert ShardSettings(mpp=0.5).longest_px is None
    assert ShardSettings(longest_px=512).mpp is None
    with pytest.raises(ValidationError, match="images may be scaled to 512 px") as caught:
        ShardSettings(mpp=0.5, longest_px=512)
    assert caught.value.errors()[0]["ctx"]["code"] == "MV2134"
