from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.keep_experiment.captions import all_captions, class_prompts, write_caption
from benchmarks.keep_experiment.concepts import Concepts, ontology_file
from benchmarks.keep_experiment.words import Words
from medvlp.knowledge.normalize import normalize_term


def all_classes(concepts: Concepts) -> list[tuple[str, str]]:
    return [(name, label) for name, labels in concepts.sets.items() for label in labels]


def test_texts__every_class_has_words_for_every_condition(concepts: Concepts) -> None:
    for name, label in all_classes(concepts):
        found = concepts.texts(name, label)
        assert found.names, label
        assert found.held_out, label
        assert found.definition, label
        assert found.parent in concepts.graph.ancestors(found.concept)
        assert found.parent_name not in found.names


def test_texts__of_a_disease_come_from_the_ontology(concepts: Concepts) -> None:
    found = concepts.texts("lc25000", "lung_aca")
    assert found.is_disease
    assert found.names == ("lung adenocarcinoma",)
    assert found.held_out == ("old word for lung adenocarcinoma",)
    assert found.definition == "A disease called lung adenocarcinoma."


def test_texts__a_disease_without_synonyms_takes_those_of_the_file(concepts: Concepts) -> None:
    held_out = concepts.texts("crc_kather2016", "TUMOR").held_out
    assert held_out == (
        "adenocarcinoma of the large bowel",
        "glandular cancer of the large intestine",
    )


def test_parent__is_shared_where_nothing_tells_two_classes_apart(concepts: Concepts) -> None:
    assert concepts.texts("lc25000", "lung_aca").parent == "DOID:3908"
    assert concepts.texts("lc25000", "lung_scc").parent == "DOID:3908"


def test_parent__is_the_nearest_that_tells_a_class_apart(concepts: Concepts) -> None:
    assert concepts.texts("lc25000", "colon_aca").parent == "DOID:1520"
    assert concepts.texts("rbc12", "normal_red_cell").parent_name == "healthy blood cell"


def test_part__cancers_holds_kin_and_all_local_concepts(concepts: Concepts) -> None:
    kin, cancers = set(concepts.part("kin")), set(concepts.part("cancers"))
    assert concepts.local <= kin <= cancers
    assert "DOID:1324" in kin


def test_captions__never_hold_a_synonym_that_is_held_out(words: Words) -> None:
    held_out = {normalize_term(text) for text in words.concepts.held_out}
    for name, label in all_classes(words.concepts):
        texts = words.concepts.texts(name, label)
        assert not held_out & {normalize_term(text) for text in texts.names}
        augmenter, rng = words.augmenter(name), np.random.default_rng(0)
        for _ in range(40):
            caption = write_caption(words.captions, name, texts, rng)
            augmented = augmenter([caption], [texts.concept], rng)
            for text in texts.held_out:
                assert f" {text.lower()} " not in f" {caption.lower().strip('.')} "
                assert f" {text.lower()} " not in f" {augmented.lower().strip('.')} "


def test_captions__all_are_what_drawing_can_give(words: Words) -> None:
    texts = words.concepts.texts("oral_oscc", "Normal")
    rng = np.random.default_rng(1)
    drawn = {write_caption(words.captions, "oral_oscc", texts, rng) for _ in range(400)}
    assert drawn == set(all_captions(words.captions, "oral_oscc", texts))


def test_class_prompts__of_parents_hold_the_parent_only(words: Words) -> None:
    texts = words.concepts.texts("oral_oscc", "OSCC")
    ((first, *_),) = class_prompts(words.captions, texts, "parents")
    assert first == "oral cavity cancer."
    assert class_prompts(words.captions, texts, "definitions") == ((texts.definition,),)


def test_ontology_file__says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="--knowledge FILE"):
        ontology_file([tmp_path])
