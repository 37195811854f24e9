"""One call trains a text tower that puts texts of one disease together."""

import torch

from medvlp.models.architecture import TextTowerSettings
from medvlp.models.text_tower import load_text_tower
from medvlp.training.knowledge_data import KnowledgeSource
from medvlp.training.knowledge_text import KnowledgeTextSettings, train_knowledge_text
from medvlp.training.optimization import OptimizerSettings
from medvlp.training.run import RunSettings
from tests.training.knowledge_texts import cancer_graph

SETTINGS = KnowledgeTextSettings(
    text=TextTowerSettings(width=16, layers=1, heads=2, feedforward=32, max_tokens=24),
    embed_dim=16,
    optimizer=OptimizerSettings(learning_rate=0.01),
    diseases_per_batch=4,
    texts_per_disease=4,
    max_tokens=24,
    vocab_size=200,
    epochs=12,
    validation_share=0.25,
)


def test_train_knowledge_text__lets_names_find_texts_never_seen_and_keeps_the_tower(tmp_path):
    from medvlp.knowledge.attributes import AttributeSettings

    graph = cancer_graph(holds_umls=True)
    source = KnowledgeSource.of_graph(graph, None, AttributeSettings())
    before = torch.random.get_rng_state()
    run = RunSettings(folder=tmp_path, name="tiny", license="Apache-2.0")
    trained = train_knowledge_text(source, SETTINGS, run=run)
    assert torch.equal(torch.random.get_rng_state(), before)
    still = SETTINGS.model_copy(update={"optimizer": OptimizerSettings(learning_rate=1e-9)})
    untrained = train_knowledge_text(source, still)
    assert trained.scores["validation/mean_ap"] > 0.9
    assert untrained.scores["validation/mean_ap"] < trained.scores["validation/mean_ap"] - 0.2
    loaded = load_text_tower(tmp_path / "text_tower")
    state = loaded.model.state_dict()
    assert all(torch.equal(state[k], v) for k, v in trained.model.state_dict().items())
    provenance = loaded.meta.provenance
    assert provenance.holds_umls
    assert graph.content_sha256 in provenance.notes[0]
    assert provenance.settings["variant"] == "adasp"
    again = train_knowledge_text(source, SETTINGS)
    assert all(torch.equal(state[k], v) for k, v in again.model.state_dict().items())
