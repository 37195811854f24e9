"""A pair of towers judges a finding by the text for it and the text against it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.bundle import load_bundle
from medvlp.models.radiograph.dual_findings import DualFindings
from tests.models.conftest import random_images
from tests.models.radiograph.tiny_findings import FINDINGS


def test_judge__is_present_against_absent(towers_folder):
    towers = load_bundle(towers_folder)
    model = DualFindings(towers)
    rgb = random_images(2, 48, 48)
    grey = rgb[..., :1].repeat(3, axis=3)
    films = torch.from_numpy(rgb[..., 0]).float() / 255
    image = towers.image_encoder.embed(torch.from_numpy(grey)).numpy()
    np.testing.assert_allclose(model.embed_images(films), image, atol=1e-6)
    expected = np.zeros((2, 3))
    for column, names in enumerate([("effusion", "fluid"), ("nodule",), ("heart",)]):
        answers = []
        for name in names:
            asked = [f"an H&E image of {words}." for words in (name, f"no {name}")]
            texts = towers.text_encoder.embed(asked)
            logits = towers.logit_scale * image @ texts.T
            answers.append(np.exp(logits[:, 0]) / np.exp(logits).sum(1))
        expected[:, column] = np.mean(answers, axis=0)
    scores = model.judge(films, model.queries(FINDINGS))
    np.testing.assert_allclose(scores.probabilities, expected, atol=1e-5)
    assert np.ptp(scores.probabilities) > 1e-5


def test_queries__asks_with_bare_names_where_there_are_no_templates(towers_folder):
    towers = load_bundle(towers_folder)
    bare = replace(towers, meta=towers.meta.model_copy(update={"templates": ()}))
    queries = DualFindings(bare).queries(FINDINGS[:1])
    expected = towers.text_encoder.embed(["effusion", "fluid", "no effusion", "no fluid"])
    np.testing.assert_allclose(queries.texts, expected[:2], atol=1e-6)
    np.testing.assert_allclose(queries.references[:, 0], expected[2:], atol=1e-6)


def test_judge__refuses_to_decode(towers_folder):
    model = DualFindings(load_bundle(towers_folder))
    films = torch.zeros(1, 48, 48)
    with pytest.raises(ModelError, match="no decoder") as caught:
        model.judge(films, model.queries(FINDINGS), mode="decoder")
    assert caught.value.code == "MV1472"
    with pytest.raises(ValueError, match="nothing to ask"):
        model.queries([])
