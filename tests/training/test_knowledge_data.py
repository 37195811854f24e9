"""Batches of diseases with their names in them; texts held out stay out."""

import pytest
import torch

from medvlp.data.groups import GroupBatches
from medvlp.data.modules import TokenizerSettings
from medvlp.errors import DataError, KnowledgeError, UsageError
from medvlp.knowledge.attributes import AttributeSettings
from medvlp.knowledge.store import write_graph
from medvlp.training.knowledge_data import (
    AttributesDataModule,
    GraphAttributesDataModule,
    KnowledgeSource,
)
from tests.training.knowledge_texts import cancer_graph

GROUPS = GroupBatches(groups_per_batch=3, samples_per_group=4, with_anchor=True)


def source() -> KnowledgeSource:
    return KnowledgeSource.of_graph(cancer_graph(), None, AttributeSettings())


def batches(data, epoch=0):
    data.setup("fit")
    loader = data.train_dataloader()
    loader.batch_sampler.set_epoch(epoch)
    return list(loader)


def test_batches__hold_diseases_with_their_names_among_them():
    data = AttributesDataModule(source(), groups=GROUPS, max_tokens=24)
    found = batches(data)
    assert len(found) >= 5
    for batch in found:
        diseases, counts = torch.unique(batch.group_id, return_counts=True)
        assert counts.tolist() == [4, 4, 4]
        named = batch.group_id[batch.is_name]
        assert set(named.tolist()) == set(diseases.tolist())
    again = batches(AttributesDataModule(source(), groups=GROUPS, max_tokens=24))
    assert all(torch.equal(a.text.ids, b.text.ids) for a, b in zip(found, again, strict=True))
    other = batches(data, epoch=1)
    assert any(not torch.equal(a.group_id, b.group_id) for a, b in zip(found, other, strict=False))


def test_validation__holds_texts_that_are_not_trained_on_beside_names():
    data = AttributesDataModule(source(), groups=GROUPS, max_tokens=24, validation_share=0.3)
    training = {(a.concept_id, a.text) for a in data.training.attributes}
    held_out = [a for a in data.validation.attributes if a.kind != "name"]
    assert held_out
    assert not training & {(a.concept_id, a.text) for a in held_out}
    names = {a.concept_id for a in data.validation.attributes if a.kind == "name"}
    assert names == {a.concept_id for a in held_out}
    loader = data.val_dataloader()
    assert sum(len(batch) for batch in loader) == len(data.validation)
    assert AttributesDataModule(source(), groups=GROUPS).val_dataloader() == []


def test_tokenizer__is_the_one_given_or_read_or_trained(tmp_path):
    trained = AttributesDataModule(source(), groups=GROUPS).tokenizer
    assert "kidney" in trained.vocabulary
    path = tmp_path / "tokenizer.json"
    path.write_text(trained.to_json())
    read = AttributesDataModule(source(), tokenizer=TokenizerSettings(file=path)).tokenizer
    assert read.vocabulary == trained.vocabulary
    assert AttributesDataModule(source(), tokenizer=trained).tokenizer is trained


def test_graph_module__reads_the_graph_and_tells_of_umls(tmp_path, striped_pairs):
    graph = cancer_graph(holds_umls=True)
    path = write_graph(graph, tmp_path / "graph.parquet")
    data = GraphAttributesDataModule(graph=path, groups=GROUPS, captions_of=striped_pairs)
    assert data.source.holds_umls
    assert data.source.content_sha256 == graph.content_sha256
    assert len(data.training) == len(source().attributes)
    assert "horizontal" in data.tokenizer.vocabulary
    with pytest.raises(KnowledgeError, match="MV2000"):
        GraphAttributesDataModule(graph=tmp_path / "no.parquet").setup("fit")


def test_graph_module__takes_a_choice_of_diseases(tmp_path):
    path = write_graph(cancer_graph(), tmp_path / "graph.parquet")
    data = GraphAttributesDataModule(graph=path, diseases="lung cancer or skin cancer")
    assert {a.concept_id for a in data.training.attributes} == {"X:1", "X:5"}
    with pytest.raises(KnowledgeError):
        GraphAttributesDataModule(graph=path, diseases="lung cancre").setup("fit")


def test_module__refuses_too_few_diseases_and_a_bad_share():
    many = GroupBatches(groups_per_batch=32, samples_per_group=4, with_anchor=True)
    with pytest.raises(DataError, match="MV1751: 9 groups do not fill one batch"):
        AttributesDataModule(source(), groups=many).setup("fit")
    with pytest.raises(UsageError, match=r"validation_share=1.0 is not valid"):
        AttributesDataModule(source(), validation_share=1.0)
