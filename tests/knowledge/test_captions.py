"""A quarter of labelled samples each: caption, caption with gaps, lineage, name."""

from collections import Counter

import numpy as np
import pytest

from medvlp.errors import ConfigError, KnowledgeError
from medvlp.knowledge.captions import (
    TEMPLATES,
    CaptionAugmenter,
    CaptionSettings,
    drop_words,
    hierarchy_caption,
)
from medvlp.knowledge.concept_names import ConceptNames
from medvlp.knowledge.graph import KnowledgeGraph, Synonym, Term

CAPTION = "one two three four five six seven eight nine ten"


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    """disease > proliferation > cancer > lung cancer > adenocarcinoma; lung disease above too."""
    return KnowledgeGraph(
        [
            Term("DOID:4", "disease"),
            Term("DOID:14566", "disease of cellular proliferation", parents=("DOID:4",)),
            Term("X:1", "cancer", parents=("DOID:14566",)),
            Term("X:2", "lung disease", parents=("DOID:4",)),
            Term("X:3", "lung cancer", (Synonym("cancer of lung", "EXACT"),), (), ("X:1", "X:2")),
            Term(
                "X:4",
                "lung adenocarcinoma",
                (Synonym("LUAD", "EXACT"), Synonym("glandular tumour", "RELATED")),
                (),
                ("X:3",),
            ),
        ]
    )


def bare(text: str) -> str:
    """Return what stands in a template's place."""
    for template in TEMPLATES:
        before, _, after = template.partition("{}")
        if before and text.startswith(before) and text.endswith(after):
            return text[len(before) : len(text) - len(after)]
    endings = [t[2:] for t in TEMPLATES if t.startswith("{}")]
    for ending in sorted(endings, key=len, reverse=True):
        if text.endswith(ending):
            return text[: -len(ending)]
    return ""


def test_templates__are_22_and_each_holds_one_place():
    assert len(set(TEMPLATES)) == 22
    assert all(template.count("{}") == 1 for template in TEMPLATES)


def test_drop_words__drops_two_fifths_of_draws_half_of_the_time():
    rng = np.random.default_rng(0)
    kept = [len(drop_words(CAPTION, rng).split()) for _ in range(4000)]
    whole = np.mean([count == 10 for count in kept])
    assert whole == pytest.approx(0.5, abs=0.03)
    # four draws of ten places with replacement: 10 (1 - 0.9^4) = 3.44 distinct ones
    gaps = [10 - count for count in kept if count < 10]
    assert np.mean(gaps) == pytest.approx(3.439, abs=0.06)
    assert max(gaps) == 4


def test_drop_words__never_leaves_nothing_and_collapses_spaces():
    rng = np.random.default_rng(0)
    assert drop_words("a  b\n c", rng, probability=0.0) == "a b c"
    assert {drop_words("word", rng, 1.0, 0.9) for _ in range(20)} == {"word"}
    assert drop_words("", rng, 1.0) == ""
    assert drop_words("\u80ba\u817a\u764c", rng, 1.0) == "\u80ba\u817a\u764c"


def test_augmenter__gives_a_quarter_each(graph):
    augment = CaptionAugmenter(graph, CaptionSettings(use_synonyms=False))
    rng = np.random.default_rng(0)
    kinds = Counter()
    count = 4000
    for _ in range(count):
        text = augment([CAPTION], ["X:4"], rng)
        name = bare(text)
        if text == CAPTION:
            kinds["whole"] += 1
        elif name == "lung adenocarcinoma":
            kinds["name"] += 1
        elif name.endswith("lung cancer lung adenocarcinoma"):
            kinds["chain"] += 1
        else:
            assert set(text.split()) < set(CAPTION.split())
            kinds["gaps"] += 1
    assert set(kinds) == {"whole", "gaps", "name", "chain"}
    for kind, found in kinds.items():
        assert found / count == pytest.approx(0.25, abs=0.03), kind


@pytest.mark.parametrize("concepts", [(), ("unknown",)])
def test_augmenter__changes_unlabelled_captions_by_gaps_only(graph, concepts):
    augment = CaptionAugmenter(graph)
    rng = np.random.default_rng(0)
    texts = [augment([CAPTION], concepts, rng) for _ in range(2000)]
    assert np.mean([text == CAPTION for text in texts]) == pytest.approx(0.5, abs=0.04)
    assert all(set(text.split()) <= set(CAPTION.split()) for text in texts)


def test_augmenter__draws_captions_and_concepts_alike(graph):
    settings = CaptionSettings(drop_probability=0.0, chain_probability=0.0, use_synonyms=False)
    augment = CaptionAugmenter(graph, settings)
    rng = np.random.default_rng(0)
    texts = Counter(augment(["first", "second"], ["X:1", "X:2"], rng) for _ in range(4000))
    assert texts["first"] == pytest.approx(1000, abs=100)
    assert texts["second"] == pytest.approx(1000, abs=100)
    names = Counter(bare(text) for text in texts.elements())
    assert names["cancer"] == pytest.approx(1000, abs=100)


def test_augmenter__depends_on_the_generator_only(graph):
    texts = []
    for before in (0, 3):
        augment = CaptionAugmenter(graph)
        for seed in range(before):
            augment([CAPTION], ["X:3"], np.random.default_rng(seed))
        texts.append([augment([CAPTION], ["X:4"], np.random.default_rng(s)) for s in range(30)])
    assert texts[0] == texts[1]
    assert len(set(texts[0])) > 10


def test_hierarchy_caption__goes_up_by_any_parent_and_stops_below_the_upper_terms(graph):
    rng = np.random.default_rng(0)
    names = ConceptNames(graph, use_synonyms=False)
    texts = {
        hierarchy_caption(graph, "X:4", rng, names=names, chain_probability=1.0, templates=["{}"])
        for _ in range(50)
    }
    assert texts == {
        "cancer lung cancer lung adenocarcinoma",
        "lung disease lung cancer lung adenocarcinoma",
    }
    top = hierarchy_caption(graph, "DOID:4", rng, chain_probability=1.0, templates=["{}"])
    assert top == "disease"


def test_hierarchy_caption__takes_names_and_exact_synonyms_alike(graph):
    rng = np.random.default_rng(0)
    found = Counter(
        hierarchy_caption(graph, "X:4", rng, chain_probability=0.0, templates=["{}"])
        for _ in range(2000)
    )
    assert set(found) == {"lung adenocarcinoma", "LUAD"}
    assert found["LUAD"] == pytest.approx(1000, abs=100)


def test_hierarchy_caption__of_normal_tissue_is_as_published(graph):
    rng = np.random.default_rng(0)
    texts = [
        hierarchy_caption(graph, "normal", rng, chain_probability=p, templates=["{}"])
        for p in (0.0, 1.0)
    ]
    assert texts == ["normal tissue", "normal tissue non-cancerous tissue non-tumor tissue"]


def test_settings__hold_out_synonyms_in_every_spelling(graph, tmp_path):
    path = tmp_path / "held_out.txt"
    path.write_text("Cancers of Lung\n\n", encoding="utf-8")
    settings = CaptionSettings(
        hierarchy_probability=1.0, exclude_synonyms=("luad",), exclude_synonyms_file=path
    )
    augment = CaptionAugmenter(graph, settings)
    rng = np.random.default_rng(0)
    texts = " ".join(augment([CAPTION], ["X:4"], rng) for _ in range(500)).lower()
    assert "luad" not in texts
    assert "cancer of lung" not in texts
    shown = CaptionAugmenter(graph, CaptionSettings(hierarchy_probability=1.0))
    texts = " ".join(shown([CAPTION], ["X:4"], rng) for _ in range(500))
    assert "LUAD" in texts
    assert "cancer of lung" in texts


def test_augmenter__takes_concepts_beside_the_graph(graph):
    settings = CaptionSettings(hierarchy_probability=1.0, templates=("{}",))
    augment = CaptionAugmenter(graph, settings, extra={"stroma": ("stroma", "connective tissue")})
    rng = np.random.default_rng(0)
    found = {augment(["x"], ["stroma"], rng) for _ in range(50)}
    assert found == {"stroma", "connective tissue"}


def test_augmenter__names_a_concept_that_is_not_known(graph):
    augment = CaptionAugmenter(graph)
    with pytest.raises(KnowledgeError, match="MV2001"):
        augment.check(["X:4", "unknown", "normal", "X:44"])
    settings = CaptionSettings(exclude_synonyms=("cancer",))
    with pytest.raises(
        KnowledgeError, match=r"MV2040: every text for X:1 \('cancer'\) is held out"
    ):
        CaptionAugmenter(graph, settings).check(["X:1"])


def test_settings__refuse_a_template_without_one_place_and_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match=r"'\{\} and \{\}' is no template"):
        CaptionSettings(templates=("{} and {}",))
    with pytest.raises(ConfigError, match="MV1004"):
        CaptionSettings(exclude_synonyms_file=tmp_path / "no").held_out()
