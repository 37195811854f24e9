"""A resting tower keeps its weights and statistics; what is beside it learns."""

import torch

from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings
from medvlp.models.dual_encoder import DualEncoder
from medvlp.training.freezing import FreezeSettings, rest_tower

SETTINGS = DualEncoderSettings(
    embed_dim=8,
    image=ImageTowerSettings(architecture="test_resnet"),
    text=TextTowerSettings(width=16, layers=1, heads=2, feedforward=32, max_tokens=8),
)


def freeze_towers(model: DualEncoder, settings: FreezeSettings, epoch: int) -> None:
    rest_tower(model.image_tower, settings.image_tower_epochs, epoch)
    rest_tower(model.text_tower, settings.text_tower_epochs, epoch)


def test_rest_tower__puts_towers_to_rest_for_their_epochs_only():
    model = DualEncoder(SETTINGS, vocab_size=20).train()
    settings = FreezeSettings(image_tower_epochs=2, text_tower_epochs=1)
    expected = [(False, False), (False, True), (True, True)]
    for epoch, (image, text) in enumerate(expected):
        freeze_towers(model, settings, epoch)
        for tower, learns in ((model.image_tower, image), (model.text_tower, text)):
            assert {p.requires_grad for p in tower.parameters()} == {learns}
            assert {m.training for m in tower.modules()} == {learns}
        assert all(p.requires_grad for p in model.image_projection.parameters())
        assert model.logit_scale.requires_grad


def test_rest_tower__leaves_towers_that_never_rest_alone():
    model = DualEncoder(SETTINGS, vocab_size=20).eval()
    model.text_tower.requires_grad_(False)
    freeze_towers(model, FreezeSettings(), 0)
    assert not any(p.requires_grad for p in model.text_tower.parameters())
    assert not model.image_tower.training


def test_rest_tower__a_step_moves_no_resting_weight():
    model = DualEncoder(SETTINGS, vocab_size=20).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    freeze_towers(model, FreezeSettings(image_tower_epochs=1, text_tower_epochs=1), 0)
    ids = torch.ones(4, 5, dtype=torch.int64)
    outputs = model(torch.rand(4, 3, 32, 32), ids, ids.bool())
    (outputs.image @ outputs.text.T).mean().backward()
    optimizer.step()
    moved = {
        n.split(".")[0] for n, v in model.state_dict().items() if not torch.equal(v, before[n])
    }
    assert moved == {"image_projection", "text_projection"}


def test_rest_tower__rests_in_all_epochs_where_asked():
    tower = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout())
    for epoch in (0, 1000):
        rest_tower(tower, FreezeSettings(text_tower_epochs="all").text_tower_epochs, epoch)
        assert not any(p.requires_grad for p in tower.parameters())
        assert not tower[1].training
