"""Settings of decoders."""

import pytest
from pydantic import ValidationError

from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings
from medvlp.models.decoder_sizes import DecoderSizes, DecoderTowerSettings

IMAGE = ImageTowerSettings(architecture="test_vit")


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"width": 10, "heads": 4}, "heads 4 does not divide width 10"),
        ({"heads": 4, "kv_heads": 3}, "kv_heads 3 does not divide heads 4"),
        ({"width": 6, "heads": 2}, "a head is 3 wide"),
    ],
)
def test_decoder_sizes__refuse_heads_that_do_not_fit(sizes, said) -> None:
    with pytest.raises(ValidationError, match=said):
        DecoderSizes(**sizes)


def test_dual_encoder_settings__take_one_kind_of_text_tower() -> None:
    decoder = DecoderTowerSettings(family="qwen2")
    chosen = DualEncoderSettings(image=IMAGE, decoder=decoder)
    assert chosen.text_tower is decoder
    text = TextTowerSettings(width=32)
    assert DualEncoderSettings(image=IMAGE, text=text).text_tower is text
    with pytest.raises(ValidationError, match="text and decoder are both given"):
        DualEncoderSettings(image=IMAGE, text=text, decoder=decoder)
