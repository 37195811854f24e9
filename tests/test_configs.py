"""Every configuration file parses strictly, builds all it names, and says how it is used."""

from pathlib import Path

import numpy as np
import pytest
import torch

from medvlp.config.task import load_task
from medvlp.knowledge.facets import load_finding_book
from medvlp.models.dual_encoder import DualEncoder
from medvlp.models.radiograph.network import RadiographNetwork
from medvlp.models.text_tower import KnowledgeText
from medvlp.models.volume.attribute_network import AttributeNetwork
from medvlp.models.volume.dual_encoder import VolumeDualEncoder
from medvlp.training.cli import build
from medvlp.training.knowledge import KnowledgeModule
from medvlp.training.radiograph_classes import RadiographClassesModule
from medvlp.training.radiograph_masks import RadiographMasksModule
from medvlp.training.scan_attributes import ScanAttributesModule
from medvlp.zeroshot.classifier import build_classifier
from medvlp.zeroshot.heads import judge_slide
from medvlp.zeroshot.model_findings import judge_findings
from medvlp.zeroshot.units import judge_units

CONFIGS = Path(__file__).parent.parent / "configs"
FILES = sorted(CONFIGS.rglob("*.yaml"))
TRAINING = [path for path in FILES if path.parent.name in {"pretrain", "smoke", "keep"}]
SCANS = sorted((CONFIGS / "renalclip").glob("a*.yaml"))
RADIOGRAPHS = [CONFIGS / "devide" / f"{name}.yaml" for name in ("full", "small", "phantom")]
TUNED = sorted((CONFIGS / "devide").glob("*_small.yaml"))
TASKS = [path for path in FILES if path.parent.name == "zeroshot"]


def name_of(path: Path) -> str:
    return str(path.relative_to(CONFIGS))


def test_configs__lie_in_folders_that_a_test_knows() -> None:
    known = {"pretrain", "smoke", "keep", "renalclip", "devide", "zeroshot", "preprocess"}
    assert {path.parent.name for path in FILES} <= known
    assert TRAINING


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_config__says_what_it_is_for_and_how_it_is_run(path: Path) -> None:
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    for word in ("Purpose:", "Command:", "Hardware:", "Result:"):
        assert any(line.startswith(f"# {word}") for line in header), f"no line '# {word} ...'"
    assert any(name_of(path).rpartition("/")[2] in line for line in header)


@pytest.mark.parametrize("path", TRAINING, ids=name_of)
def test_training_config__builds_and_takes_a_step_in_its_shapes(path: Path) -> None:
    built = build(["fit", f"--config={path}"])
    settings = built.model._settings
    is_text = isinstance(built.model, KnowledgeModule)
    # towers of publication size are built without memory; tests of the recipe step them when small
    is_large = (settings if is_text else settings.text_tower).layers > 4
    with torch.device("meta" if is_large else "cpu"), torch.no_grad():
        if is_text:
            model = KnowledgeText(settings, 50, built.model._embed_dim)
        else:
            model = DualEncoder(settings, vocab_size=50)
        if is_large:
            assert sum(p.numel() for p in model.parameters()) > 50_000_000
            return
        ids = torch.ones(2, built.datamodule.max_tokens, dtype=torch.int64)
        if is_text:
            assert model.eval()(ids, ids.bool()).shape == (2, built.model._embed_dim)
            return
        side = built.datamodule.preprocessing.input_px
        output = model.eval()(torch.zeros(2, 3, side, side), ids, ids.bool())
    assert output.image.shape == output.text.shape == (2, settings.embed_dim)


@pytest.mark.parametrize("path", SCANS, ids=name_of)
def test_scan_config__builds_networks_that_take_crops(path: Path) -> None:
    module = build(["fit", f"--config={path}"]).model
    settings = module._settings
    is_full = path.stem.endswith("full")
    shape = (32, 128, 128) if is_full else (24, 48, 48)
    with torch.device("meta" if is_full else "cpu"), torch.no_grad():
        voxels = torch.zeros(2, 1, *shape)
        if isinstance(module, ScanAttributesModule):
            model = AttributeNetwork(settings, shape, {"mass": ("absent", "present")})
            assert model.eval()(voxels)["mass"].shape == (2, 2)
        else:
            vocab_size = None if settings.text is None else 50
            model = VolumeDualEncoder(settings, shape, vocab_size)
            assert model.eval().encode_volume(voxels).shape == (2, settings.head.dim)
    weights = sum(p.numel() for p in model.volume_tower.parameters())
    assert weights == (32_986_176 if is_full else 2_067_216)  # of the published network, and ours
    assert path.name.startswith(("attributes", "align"))


@pytest.mark.parametrize("path", RADIOGRAPHS, ids=name_of)
def test_radiograph_config__builds_a_network_that_judges_radiographs(path: Path) -> None:
    built = build(["fit", f"--config={path}"])
    settings = built.model._settings
    is_full = path.stem == "full"
    with torch.device("meta" if is_full else "cpu"), torch.no_grad():
        model = RadiographNetwork(settings, vocab_size=50).eval()
        pixels = torch.zeros(2, settings.channels, settings.input_px, settings.input_px)
        patches = model.patch_projection(model.image_tower(pixels).patches)
        if not is_full:
            judged = model.decode(torch.zeros(3, settings.dim), patches)
            assert judged.logits.shape == (2, 3)
    side = {"full": 14, "small": 8, "phantom": 12}[path.stem]
    assert patches.shape == (2, side**2, settings.dim)
    weights = sum(p.numel() for p in model.image_tower.parameters())
    assert (weights == 85_798_656) is is_full  # ViT-B/16


@pytest.mark.parametrize("path", TUNED, ids=name_of)
def test_fine_tuning_config__builds(path: Path) -> None:
    built = build(["fit", f"--config={path}"])
    assert type(built.model) in (RadiographClassesModule, RadiographMasksModule)


@pytest.mark.parametrize("path", TASKS, ids=name_of)
def test_task__loads(path: Path) -> None:
    assert load_task(path).classes


@pytest.mark.parametrize("path", TASKS, ids=name_of)
def test_task__makes_a_classifier_and_a_verdict(path: Path) -> None:
    def embed(texts: list[str]) -> np.ndarray:
        return np.stack([np.random.default_rng([*text.encode()]).normal(size=8) for text in texts])

    task = load_task(path)
    if task.heads == ("findings",):
        book = load_finding_book(task.book)
        assert all(book.find(spec.finding) for spec in task.classes.values())
        found = judge_findings(np.linspace(0.1, 0.9, len(task.classes)), task)
        assert set(found.findings) < set(task.finding_names)
        return
    classifier = build_classifier(embed, task, 10.0)
    features = np.random.default_rng(0).normal(size=(4, 8))
    if task.modality == "slide":
        coords = np.asarray([[0, 0], [256, 0], [0, 256], [256, 256]])
        verdict = judge_slide(features, coords, 256, classifier, task, normalize=True)
        assert verdict.prediction in task.classes
        return
    boxes = [f"box {number}" for number in range(4)]
    scan = judge_units(features, boxes, classifier, task, normalize=True)
    assert set(scan.probabilities) == set(task.finding_names or task.classes)
    assert set(scan.findings or ()) <= set(task.finding_names)
