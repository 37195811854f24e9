"""The data module hands the trainer the same batches whatever the number of loader processes."""

import pytest
import torch

from medvlp.data.augment import AugmentSettings
from medvlp.data.groups import GroupBatches
from medvlp.data.modules import InputSettings, PairsDataModule, TokenizerSettings
from medvlp.data.sampler import Draw
from medvlp.errors import DataError, MedvlpError, UsageError
from medvlp.knowledge.captions import CaptionSettings
from medvlp.knowledge.graph import KnowledgeGraph, Synonym, Term
from medvlp.knowledge.store import write_graph
from medvlp.losses.relations import unpack_related


def build(folder, **more) -> PairsDataModule:
    return PairsDataModule(
        folder=folder, **{"batch_size": 3, "inputs": InputSettings(input_px=12), **more}
    )


def batches(module: PairsDataModule, epoch: int = 0):
    module.setup("fit")
    loader = module.train_dataloader()
    loader.batch_sampler.set_epoch(epoch)
    return list(loader)


def test_train_dataloader__leaves_out_the_incomplete_batch_and_reorders_each_epoch(pairs_folder):
    module = build(pairs_folder)
    first, second = batches(module), batches(module, epoch=1)
    assert [len(batch) for batch in first] == [3, 3]
    assert [b.sample_id for b in first] != [b.sample_id for b in second]
    again = batches(build(pairs_folder))
    for expected, actual in zip(first, again, strict=True):
        assert expected.sample_id == actual.sample_id
        assert torch.equal(expected.image, actual.image)
        assert torch.equal(expected.text.ids, actual.text.ids)


@pytest.mark.slow
def test_train_dataloader__gives_the_same_batches_from_worker_processes(pairs_folder):
    for expected, actual in zip(
        batches(build(pairs_folder)), batches(build(pairs_folder, num_workers=2)), strict=True
    ):
        assert expected.sample_id == actual.sample_id
        assert torch.equal(expected.image, actual.image)


def test_val_dataloader__takes_the_validation_split_as_it_is(pairs_folder):
    module = build(pairs_folder)
    loader = module.val_dataloader()
    names = {name for batch in loader for name in batch.sample_id}
    assert names == {"tile_007", "tile_008", "tile_009"}
    assert build(pairs_folder, batch_size=4).val_dataloader() == []


def test_tokenizer__is_trained_on_training_captions_only(pairs_folder, tmp_path):
    tokenizer = build(pairs_folder).tokenizer
    assert "papillary" in tokenizer.vocabulary
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizer.to_json())
    read = build(pairs_folder, tokenizer=TokenizerSettings(file=path)).tokenizer
    assert read.vocabulary == tokenizer.vocabulary


def test_setup__refuses_a_batch_larger_than_the_split(pairs_folder):
    with pytest.raises(UsageError, match="batch_size=8 is more than the 7 training pairs"):
        build(pairs_folder, batch_size=8).setup("fit")


def test_setup__names_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(MedvlpError, match="is not a folder of pairs"):
        build(tmp_path / "nowhere").setup("fit")


@pytest.fixture
def graph_file(tmp_path):
    graph = KnowledgeGraph(
        [
            Term("DOID:4450", "clear cell carcinoma", (Synonym("CCC", "EXACT"),)),
            Term("DOID:4451", "papillary carcinoma", parents=("DOID:4450",)),
        ]
    )
    return write_graph(graph, tmp_path / "graph.parquet")


GROUPS = GroupBatches(groups_per_batch=3, samples_per_group=2, coverage="one_chunk")


def test_train_dataloader__makes_batches_of_groups(pairs_folder):
    module = build(pairs_folder, batch_size=6, groups=GROUPS)
    (batch,) = batches(module)
    assert sorted(batch.group_id.tolist()) == [0, 0, 1, 1, 2, 2]
    assert torch.equal(batch.group_id[::2], batch.group_id[1::2])
    assert batches(module, epoch=1)[0].sample_id != batch.sample_id


def test_train_dataloader__brings_the_table_of_related_concepts_of_the_graph(
    pairs_folder, graph_file
):
    module = build(pairs_folder, batch_size=6, groups=GROUPS, graph=graph_file)
    (batch,) = batches(module)
    labels = {int(g): int(c) for g, c in zip(batch.group_id, batch.concept_id, strict=True)}
    assert labels == {0: 0, 1: 1, 2: -1}
    assert unpack_related(batch.related, torch.arange(2))[:, :2].tolist() == [[True] * 2] * 2
    plain = build(pairs_folder, graph=graph_file, related="none")
    assert batches(plain)[0].related is None


def test_train_dataloader__puts_knowledge_into_captions_of_the_training_split_only(
    pairs_folder, graph_file
):
    settings = CaptionSettings(hierarchy_probability=1.0, templates=("{}",))
    module = build(pairs_folder, graph=graph_file, captions=settings)
    module.setup("fit")
    loader = module.train_dataloader()
    samples = [loader.dataset[Draw(e, i)] for e in range(20) for i in range(7)]
    texts = {sample.caption for sample in samples if sample.row.concept_ids}
    assert {"CCC", "papillary carcinoma", "CCC papillary carcinoma"} < texts
    plain = {sample.caption for sample in samples if not sample.row.concept_ids}
    assert any("normal tissue" in text for text in plain)
    shown = [module.val_dataloader().dataset[Draw(0, i)] for i in range(3)]
    assert all(sample.caption == sample.row.captions[0] for sample in shown)


@pytest.mark.parametrize(
    ("options", "phrase"),
    [
        ({"captions": CaptionSettings()}, "data.captions is given without data.graph"),
        ({"augment": AugmentSettings(random_crop=True)}, "there is nothing to cut off"),
        ({"groups": GROUPS}, r"data.batch_size=3 is not .* expected 6"),
        (
            {
                "batch_size": 6,
                "groups": GroupBatches(groups_per_batch=3, samples_per_group=2, with_anchor=True),
            },
            "pairs have no anchors",
        ),
    ],
)
def test_module__refuses_settings_that_do_not_go_together(pairs_folder, options, phrase):
    with pytest.raises(UsageError, match=phrase):
        build(pairs_folder, **options)


def test_setup__refuses_concepts_that_the_graph_does_not_have(pairs_folder, tmp_path):
    path = write_graph(KnowledgeGraph([Term("DOID:4450", "one")]), tmp_path / "graph.parquet")
    with pytest.raises(DataError, match=r"DOID:4451 \(3 pairs\)"):
        build(pairs_folder, graph=path).setup("fit")


def test_setup__names_captions_that_are_cut(pairs_folder, caplog):
    build(pairs_folder, max_tokens=4).setup("fit")
    assert "7 pairs have captions of more than 4 tokens, which are cut: tile_000" in caplog.text


def test_setup__tells_that_validation_pairs_do_not_fill_a_batch(pairs_folder, caplog):
    build(pairs_folder).setup("fit")
    assert "validation" not in caplog.text
    build(pairs_folder, batch_size=4).setup("fit")
    assert "the 3 validation pairs do not fill a batch of 4; nothing is validated" in caplog.text
