"""Single values of a task: units, ranges and short forms."""

from pathlib import Path

import pytest

from medvlp.config.task import CtScale, PromptSource, SlideScale, parse_task
from medvlp.errors import ConfigError
from tests.config.task_documents import ct_task, slide_task


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"name": "a/b"}, "name: 'a/b'.*letters, digits"),
        ({"modality": "wsi"}, "modality='wsi'"),
        ({"scale": {"mpp": 0, "tile_px": 256}}, "scale.mpp=0.*above 0"),
        ({"scale": {"mpp": 0.5, "tile_px": 2.5}}, "scale.tile_px=2.5.*whole number"),
        ({"scale": {"mpp": 0.5, "tile_px": 256, "overlap": 1}}, "scale.overlap=1.*below 1"),
        ({"scale": {"mpp": 0.5}}, "scale.tile_px is missing"),
        ({"head": "subtype_ratio"}, "head='subtype_ratio'.*mean 'subtype-ratio'"),
        ({"head": ["top-j", "meen"]}, r"head\[1\]='meen'.*mean 'mean'"),
        ({"head": []}, r"head=\[\].*at least 1"),
        ({"threshold": 1}, "threshold=1.*below 1"),
        ({"threshold": "0.5"}, "threshold='0.5'.*a number"),
        ({"aggregate": "max"}, "aggregate='max'.*'mean' or 'sum'"),
        ({"logit_scale": "modle"}, "logit_scale='modle'.*mean 'model'.*or a number"),
        ({"logit_scale": -1}, "logit_scale=-1"),
        ({"top_j": [1.5]}, r"top_j\[0\]=1.5.*whole number"),
        ({"templates": [" "]}, r"templates\[0\]: ' '.*not blank"),
        ({"templates": ["a {}\nb"]}, "one line of text"),
        ({"prompts": {"ensemble": "al"}}, "prompts.ensemble='al'.*mean 'all'"),
        ({"prompts": "all"}, "prompts='all'.*keys with values"),
        ({"prompts": {"ensemble": {}}}, "prompts.ensemble: neither file, screen nor random"),
        ({"prompts": {"screen": 0}}, "prompts.screen=0.*above 0"),
        ({"prompts": {"random": 0}}, "prompts.random=0.*above 0"),
        ({"undecided": "coin"}, "undecided='coin'.*'second-choice' or 'first-class'"),
    ],
)
def test_slide_task__refuses_a_value_outside_its_range(
    changes: dict[str, object], phrase: str
) -> None:
    with pytest.raises(ConfigError, match=phrase) as caught:
        parse_task(slide_task(**changes), source="t.yaml")
    assert caught.value.code == "MV1002"


def test_slide_scale__misspelt_key_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"scale\.tile_pix is not .* mean 'tile_px'") as caught:
        parse_task(slide_task(scale={"mpp": 0.5, "tile_pix": 256}), source="t.yaml")
    assert caught.value.code == "MV1001"


@pytest.mark.parametrize("names", ["one name", ["one name"]])
def test_class_spec__takes_one_name_or_a_list(names: object) -> None:
    document = slide_task()
    document["classes"]["PRCC"] = {"names": names}
    assert parse_task(document, source="t.yaml").classes["PRCC"].names == ("one name",)


def test_class_spec__concept_is_a_node_id() -> None:
    document = slide_task()
    document["classes"]["PRCC"]["concept"] = "4467"
    with pytest.raises(ConfigError, match=r"classes\.PRCC.concept: '4467'.*DOID:4467"):
        parse_task(document, source="t.yaml")


def test_prompts__short_form_equals_the_long_one() -> None:
    short = parse_task(slide_task(prompts={"file": "a.json", "screen": 3}), source="t.yaml")
    inside = {"ensemble": {"file": "a.json", "screen": 3}}
    assert short == parse_task(slide_task(prompts=inside), source="t.yaml")
    assert short.prompts.ensemble == PromptSource(file=Path("a.json"), screen=3)


def test_ct_scale__is_read_in_z_y_x_order() -> None:
    scale = parse_task(ct_task(), source="t.yaml").scale
    assert scale == CtScale(
        spacing_mm=(1.0, 1.0, 1.5),
        region="kidney",
        box_mm=(96.0, 96.0, 96.0),
        window_hu=(-160.0, 240.0),
    )


@pytest.mark.parametrize(
    ("scale", "code", "phrase"),
    [
        ({"spacing_mm": [1, 1], "window_hu": [0, 1]}, "MV1002", r"scale.spacing_mm\[2\]"),
        ({"spacing_mm": [1, 1, 1], "window_hu": [1, 0]}, "MV1002", "window 1 to 0 HU is empty"),
        (
            {"spacing_mm": [1, 1, 1], "window_hu": [0, 1], "box_mm": [1, 1, 1]},
            "MV1506",
            "scale.box_mm: a crop has a size but nothing to be centred on",
        ),
        ({"spacing_mm": [1, 1, 1], "window": [0, 1]}, "MV1001", "mean 'window_hu'"),
    ],
)
def test_ct_scale__refuses_what_cannot_be_meant(
    scale: dict[str, object], code: str, phrase: str
) -> None:
    with pytest.raises(ConfigError, match=phrase) as caught:
        parse_task(ct_task(scale=scale), source="t.yaml")
    assert caught.value.code == code


def test_slide_scale__overlap_is_a_share() -> None:
    with pytest.raises(ValueError, match="less than 1"):
        SlideScale(mpp=0.5, tile_px=256, overlap=128.0)
