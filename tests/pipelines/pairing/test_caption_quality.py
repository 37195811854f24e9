"""Bad captions are told from good ones, and one caption is known in several spellings."""

import pytest

from medvlp.pipelines.pairing.caption_quality import (
    caption_fault,
    clean_caption,
    normalize_caption,
)
from medvlp.pipelines.pairing.settings import CaptionQuality

SETTINGS = CaptionQuality()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no caption"),
        ("a b " * 12_500, "caption too long"),
        ("12 34 -- 5", "caption without letters"),
        ("肺腺癌的组织切片图像", "caption in another script"),
        ("Аденокарцинома легкого", "caption in another script"),
        ("adenocarcinoma", "caption too short"),
    ],
)
def test_caption_fault__names_the_reason(text: str, reason: str) -> None:
    assert caption_fault(text, SETTINGS)[0] == reason


@pytest.mark.parametrize(
    "text",
    [
        "lung adenocarcinoma",
        "β-catenin stain",
        "Café-au-lait spots, 5 µm",
        "naïve T-cells",
    ],
)
def test_caption_fault__accepts_latin_and_greek(text: str) -> None:
    assert caption_fault(text, SETTINGS) == ("", "")


def test_caption_fault__keeps_a_caption_of_exactly_the_longest_length() -> None:
    text = "ab " * 1666 + "cd"
    assert len(text) == SETTINGS.max_characters
    assert caption_fault(text, SETTINGS) == ("", "")


def test_clean_caption__drops_what_cannot_be_seen() -> None:
    assert clean_caption(" lung\u200b \x00\tcancer\r\n\u2028 x ") == "lung cancer x"


def test_normalize_caption__joins_spellings_of_one_caption() -> None:
    spellings = ["Lung cancer.", "lung  CANCER", "\uff2cung\u00a0cancer!"]
    assert {normalize_caption(text) for text in spellings} == {"lung cancer"}
