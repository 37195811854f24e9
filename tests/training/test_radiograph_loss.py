"""The joined loss written out in float64; a term switched off or on changes its part only."""

import math

import pytest
import torch
from torch.nn import functional

from medvlp.data.batch import TextTokens
from medvlp.data.radiograph_batch import RadiographBatch
from medvlp.errors import UsageError
from medvlp.models.architecture import TextTowerSettings
from medvlp.models.radiograph.network import RadiographNetwork
from medvlp.models.radiograph.settings import (
    FacetSettings,
    QueryDecoderSettings,
    RadiographModelSettings,
    ResNetTowerSettings,
)
from medvlp.text.tokenizer import train_tokenizer
from medvlp.training.radiograph_loss import (
    FindingTexts,
    finding_terms,
    joined_terms,
    report_terms,
)
from medvlp.training.radiograph_sentences import SentenceCutter
from medvlp.training.radiograph_terms import (
    ClassificationTerm,
    KnowledgeTerm,
    LabelRule,
    LocalTerm,
    ReportTerm,
    TermSettings,
)

REPORTS = (
    "Findings: A round shadow. No fluid.",
    "The lungs are clear.",
    "Findings: A round shadow. No fluid.",
    "A wide heart; it is large. Fluid is seen.",
)
TEXTS = ("shadow", "a round shadow.", "fluid", "fluid above the diaphragm.", "a round shadow.")
CLASS, KIND = torch.tensor([0, 0, 1, 1, 2]), torch.tensor([0, 2, 0, 1, 2])
NUMBER = torch.tensor([4, 0, 2, 3, 0])
LABELS = torch.tensor([[1, 0, -2], [0, -1, 0], [1, 0, -2], [-2, 1, 1]])
TOKENIZER = train_tokenizer((*REPORTS, *TEXTS), 400)
ENCODER = RadiographModelSettings(
    dim=12,
    input_px=32,
    image=ResNetTowerSettings(architecture="resnet18", stage=3, width=4),
    text=TextTowerSettings(width=16, layers=1, heads=2, feedforward=32, max_tokens=32),
    decoder=QueryDecoderSettings(dim=12, layers=2, heads=2, ffn=16, self_attention=False),
    facets=FacetSettings(fusion="mean"),
)
OFF = TermSettings(
    report=ReportTerm(weight=0),
    knowledge=KnowledgeTerm(weight=0),
    local=LocalTerm(weight=0),
    classification=ClassificationTerm(weight=0),
)


def tokens_of(texts) -> TextTokens:
    found = TOKENIZER.encode(list(texts), 32)
    return TextTokens(ids=torch.from_numpy(found.ids), mask=torch.from_numpy(found.mask))


def a_batch(group=(0, 1, 0, 2)) -> RadiographBatch:
    chance = torch.Generator().manual_seed(0)
    return RadiographBatch(
        image=torch.rand(4, 1, 32, 32, generator=chance),
        text=tokens_of(REPORTS),
        labels=LABELS,
        report_group=torch.tensor(group),
        patient_id=torch.arange(4),
        sample_id=("a", "b", "c", "d"),
        view=("PA",) * 4,
        turned=torch.zeros(4, dtype=torch.bool),
    )


@pytest.fixture(scope="module")
def network():
    return RadiographNetwork(ENCODER, TOKENIZER.vocab_size, seed=0).double().eval()


def texts_of(network) -> FindingTexts:
    read = tokens_of(TEXTS)
    vectors = network.encode_text(read.ids, read.mask).sentence
    return FindingTexts(vectors=vectors, class_index=CLASS, kind=KIND, number=NUMBER)


def parts_of(network, settings, batch=None, texts=None):
    batch = batch or a_batch()
    image = network.encode_image(batch.image.double())
    parts = report_terms(network, image, batch, settings, SentenceCutter(TOKENIZER))
    return parts | finding_terms(network, image, batch.labels, texts or texts_of(network), settings)


def unit(x):
    return x / x.norm(dim=-1, keepdim=True).clamp(min=1e-12)  # a dead patch is nowhere


def both_ways(scores):
    return -(scores.log_softmax(1).diagonal().mean() + scores.log_softmax(0).diagonal().mean()) / 2


def read(network, text):
    tokens = tokens_of([text])
    return network.encode_text(tokens.ids, tokens.mask).sentence[0]


def by_hand(network) -> dict[str, torch.Tensor]:
    """Write the terms out, sentence by sentence, finding by finding."""
    image = network.encode_image(a_batch().image.double())
    scale = network.scales["global"]().item()
    x = unit(image.pooled)
    y = unit(torch.stack([read(network, report) for report in REPORTS]))
    losses = []
    for z in (scale * x @ y.T, scale * y @ x.T):
        for i, own in ((0, (0, 2)), (1, (1,)), (2, (0, 2)), (3, (3,))):
            others = [z[i, j] for j in range(4) if j not in own]
            against = torch.stack(others).logsumexp(0)
            losses.append(sum(functional.softplus(against - z[i, j]) for j in own) / len(own))
    found = {"report": sum(losses) / 8}
    sentences = [
        ["A round shadow.", "No fluid."],
        ["The lungs are clear."],
        ["A round shadow.", "No fluid."],
        ["A wide heart;", "it is large.", "Fluid is seen."],
    ]
    v = unit(image.patches)
    scores = torch.zeros(4, 4, dtype=torch.float64)
    for i in range(4):
        for j, own in enumerate(sentences):
            cosines = []
            for sentence in own:
                s = unit(read(network, sentence))
                context = torch.softmax(4 * v[i] @ s, dim=0) @ v[i]
                cosines.append(5 * unit(context) @ s)
            scores[i, j] = 10 * (torch.stack(cosines).logsumexp(0) - math.log(len(own)))
    found["local"] = both_ways(scores)
    bank = unit(
        torch.stack([read(network, t) for t in ("a round shadow.", "fluid", TEXTS[3], "shadow")])
    )
    # silence counts as absent, doubt is left out; the shared text is of findings 0 and 2
    fits = torch.tensor([[1, 0, 0, 1], [0, -1, -1, 0], [1, 0, 0, 1], [1, 1, 1, 0]])
    z = scale * unit(network.describe(image.pooled)) @ bank.T
    sides = []
    for values, own in ((z, fits), (z.T, fits.T)):
        each = []
        for row, mine in zip(values, own, strict=True):
            if (mine == 1).any():
                each.append(row[mine >= 0].logsumexp(0) - row[mine == 1].mean())
        sides.append(torch.stack(each).mean())
    found["knowledge"] = (sides[0] + sides[1]) / 2
    vectors = [[read(network, TEXTS[i]) for i in own] for own in ((0, 1), (2, 3), (4,))]
    queries = torch.stack([sum(own) / len(own) for own in vectors])
    p = network.decode(queries, image.patches).logits.sigmoid()
    known = [(0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 2, 0), (2, 0, 1), (2, 1, 0), (3, 1, 1), (3, 2, 1)]
    found["classification"] = -sum(
        p[b, c].log() if present else (1 - p[b, c]).log() for b, c, present in known
    ) / len(known)
    return found


def test_joined_loss__is_the_weighted_sum_of_terms_written_out(network):
    settings = TermSettings(
        report=ReportTerm(weight=0.5),
        knowledge=KnowledgeTerm(weight=2.0),
        local=LocalTerm(weight=0.25),
        classification=ClassificationTerm(weight=3.0),
    )
    expected = by_hand(network)
    parts = parts_of(network, settings)
    assert set(parts) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(parts[name], value, rtol=0, atol=1e-9)
    total = (
        0.5 * expected["report"]
        + 2.0 * expected["knowledge"]
        + 0.25 * expected["local"]
        + 3.0 * expected["classification"]
    )
    report = joined_terms(parts, settings)
    torch.testing.assert_close(report.total, total, rtol=0, atol=1e-9)
    assert set(report.terms) == set(expected)


@pytest.mark.parametrize("name", ["report", "knowledge", "local", "classification"])
def test_term__switched_off_is_not_computed_and_changes_no_other(network, name):
    everything = parts_of(network, TermSettings())
    off = getattr(OFF, name)
    without = parts_of(network, TermSettings().model_copy(update={name: off}))
    assert set(everything) - set(without) == {name}
    for other, value in without.items():
        assert torch.equal(value, everything[other])
    alone = parts_of(network, OFF.model_copy(update={name: getattr(TermSettings(), name)}))
    assert set(alone) == {name}
    assert torch.equal(alone[name], everything[name])


def test_nothing__is_read_for_terms_that_are_off(network, monkeypatch):
    asked = []
    encode = network.encode_text
    monkeypatch.setattr(network, "encode_text", lambda *a: asked.append(1) or encode(*a))
    monkeypatch.setattr(network, "decode", None)
    texts = texts_of(network)
    asked.clear()
    assert set(
        parts_of(network, OFF.model_copy(update={"knowledge": KnowledgeTerm()}), texts=texts)
    ) == {"knowledge"}
    assert asked == []


def test_descriptions__ask_the_decoder_with_one_text_at_a_time(network):
    settings = OFF.model_copy(
        update={"classification": ClassificationTerm(weight=0, texts_weight=1)}
    )
    image = network.encode_image(a_batch().image.double())
    texts = ("a round shadow.", "fluid", TEXTS[3], "shadow")
    queries = torch.stack([read(network, text) for text in texts])
    p = network.decode(queries, image.patches).logits.sigmoid()
    # left out: silence and doubt, unless another finding of the shared text is present
    fits = torch.tensor([[1, 0, 0, 1], [0, -1, -1, 0], [1, 0, 0, 1], [1, 1, 1, -1]])
    logs = torch.where(fits == 1, p.log(), (1 - p).log())
    expected = -logs[fits >= 0].mean()
    found = parts_of(network, settings)
    assert set(found) == {"descriptions"}
    torch.testing.assert_close(found["descriptions"], expected, rtol=0, atol=1e-9)


def test_knowledge__of_findings_takes_fused_queries(network):
    settings = OFF.model_copy(update={"knowledge": KnowledgeTerm(bank="findings")})
    texts = texts_of(network)
    queries = network.facet_queries(texts.vectors, CLASS, KIND, 3)
    image = network.encode_image(a_batch().image.double())
    z = network.scales["knowledge"]() * unit(network.describe(image.pooled)) @ unit(queries).T
    fits = LabelRule(unmentioned="absent").apply(LABELS)
    sides = []
    for values, own in ((z, fits), (z.T, fits.T)):
        each = [
            row[mine >= 0].logsumexp(0) - row[mine == 1].mean()
            for row, mine in zip(values, own, strict=True)
            if (mine == 1).any()
        ]
        sides.append(torch.stack(each).mean())
    torch.testing.assert_close(
        parts_of(network, settings)["knowledge"], (sides[0] + sides[1]) / 2, rtol=0, atol=1e-9
    )


def test_words__find_patches_where_told(network):
    settings = OFF.model_copy(update={"local": LocalTerm(unit="words")})
    found = parts_of(network, settings)
    sentences = parts_of(network, OFF.model_copy(update={"local": LocalTerm()}))
    assert set(found) == {"local"}
    assert not torch.equal(found["local"], sentences["local"])


def test_words__are_refused_where_the_network_gives_none(network, monkeypatch):
    encode = network.encode_text
    monkeypatch.setattr(network, "encode_text", lambda *a: encode(*a)._replace(words=None))
    with pytest.raises(UsageError, match="the network gives none") as caught:
        parts_of(network, OFF.model_copy(update={"local": LocalTerm(unit="words")}))
    assert caught.value.code == "MV1838"


def test_images_without_a_report__are_left_out_of_its_terms(network):
    batch = a_batch(group=(0, 1, -1, 2))
    settings = OFF.model_copy(update={"report": ReportTerm(), "local": LocalTerm()})
    found = parts_of(network, settings, batch)
    few = RadiographBatch(
        image=batch.image[[0, 1, 3]],
        text=tokens_of([REPORTS[i] for i in (0, 1, 3)]),
        labels=LABELS[[0, 1, 3]],
        report_group=torch.tensor([0, 1, 2]),
        patient_id=torch.arange(3),
        sample_id=("a", "b", "d"),
        view=("PA",) * 3,
        turned=torch.zeros(3, dtype=torch.bool),
    )
    expected = parts_of(network, settings, few)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-9)
    assert parts_of(network, settings, a_batch(group=(-1, -1, -1, 2))) == {}
