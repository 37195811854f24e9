"""The one place that talks to timm: image towers by architecture name, tag, file or folder."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import timm
import torch
from safetensors import SafetensorError
from timm.data.config import resolve_model_data_config

from medvlp.errors import ModelError, nearest_name
from medvlp.models.preprocessing import from_timm
from medvlp.models.vision import ImageEncoder
from medvlp.models.weights import load_weights_into, read_safetensors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "build_random_tower",
    "check_architecture",
    "load_timm_encoder",
    "load_timm_folder",
    "load_trained_tower",
    "with_local_seed",
]

T = TypeVar("T")

_SEED = 0
_LOAD_ERRORS = (
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
    OSError,
    SafetensorError,
    pickle.UnpicklingError,
)


def check_architecture(architecture: str) -> None:
    """Refuse a name that timm has no architecture for.

    Raises:
        ModelError: With the nearest valid name (MV1402).
    """
    if not timm.is_model(architecture):
        raise ModelError(
            "MV1402",
            f"timm has no architecture {architecture!r}"
            f"{nearest_name(architecture, timm.list_models())}",
            expected="a name of timm.list_models()",
        )


def with_local_seed(build: Callable[[], T], seed: int = _SEED) -> T:
    """Run a function under its own random state; the program's random state is left as it was.

    Args:
        build: Draws random numbers, such as a module's constructor.
        seed: Where its random numbers start.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def build_random_tower(
    architecture: str, options: Mapping[str, Any], seed: int = _SEED
) -> torch.nn.Module:
    """Build a timm model without its classifier, with random weights that a seed fixes.

    Args:
        architecture: A timm name without a tag.
        options: Further arguments of the architecture, such as ``img_size``.
        seed: Where the random weights start.

    Raises:
        ModelError: If the name is unknown (MV1402) or the options do not fit it (MV1407).
    """
    check_architecture(architecture)
    try:
        return with_local_seed(
            lambda: timm.create_model(architecture, pretrained=False, num_classes=0, **options),
            seed,
        )
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise ModelError(
            "MV1407", f"architecture {architecture!r} does not take {dict(options)} ({error})"
        ) from error


def load_timm_encoder(name: str, spec: str, *, device: str, precision: str) -> ImageEncoder:
    """Load ``ARCH``, ``ARCH/TAG`` or ``ARCH/FILE.safetensors``.

    Args:
        name: The whole name the user gave.
        spec: What follows ``timm:`` in it.
        device: Where the tower runs.
        precision: ``fp32`` or ``bf16``.

    Raises:
        ModelError: If the architecture or the tag is unknown, or the weights cannot be used.
    """
    architecture, _, pretrained = spec.partition("/")
    check_architecture(architecture)
    if not pretrained:
        tower = build_random_tower(architecture, {})
    elif Path(pretrained).suffix:
        tower = build_random_tower(architecture, {})
        weights = _without_classifier(tower, read_safetensors(Path(pretrained)))
        load_weights_into(tower, weights, name)
    else:
        tower = load_trained_tower(architecture, pretrained, {})
    return _encoder(name, tower, not pretrained, device, precision)


def load_timm_folder(name: str, folder: Path, *, device: str, precision: str) -> ImageEncoder:
    """Load a folder in timm's hub layout: ``config.json`` and ``model.safetensors``.

    Raises:
        ModelError: If the folder cannot be loaded (MV1409).
    """
    try:
        tower = _load_strictly(f"local-dir:{folder}")
    except _LOAD_ERRORS as error:
        raise ModelError(
            "MV1409",
            f"{folder} cannot be loaded by timm ({error})",
            expected="config.json with 'architecture', and matching weights",
        ) from error
    return _encoder(name, tower, False, device, precision)


def _load_strictly(name: str, options: Mapping[str, Any] | None = None) -> torch.nn.Module:
    """Load trained weights with their own classifier, then take the classifier off.

    Asked for a model without classifier at once, timm would leave out of its check any other weight
    that the file lacks, and keep it random.
    """
    tower: Any = with_local_seed(
        lambda: timm.create_model(name, pretrained=True, **(options or {}))
    )
    if tower.num_classes:
        tower.reset_classifier(0)
    return cast("torch.nn.Module", tower)


def _without_classifier(
    tower: torch.nn.Module, weights: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Leave out the weights of the classifier that timm's full model has and the tower has not."""
    settings: Any = tower.pretrained_cfg
    names = settings.get("classifier") or ()
    prefixes = tuple(f"{name}." for name in ((names,) if isinstance(names, str) else names))
    return {key: value for key, value in weights.items() if not key.startswith(prefixes)}


def load_trained_tower(architecture: str, tag: str, options: Mapping[str, Any]) -> torch.nn.Module:
    """Load trained weights of timm by their tag, from its cache or the hub, without classifier.

    Args:
        architecture: A timm name without a tag.
        tag: Name of the weights.
        options: Further arguments of the architecture.

    Raises:
        ModelError: If the tag is unknown (MV1402), or the weights cannot be fetched or do not fit
            (MV1412).
    """
    known = timm.list_pretrained(f"{architecture}.*")
    wanted = f"{architecture}.{tag}"
    if wanted not in known:
        tags = [entry.partition(".")[2] for entry in known]
        raise ModelError(
            "MV1402",
            f"timm has no weights {tag!r} for {architecture!r}{nearest_name(tag, tags)}",
            expected=f"one of {tags}" if tags else "no tag: timm has no weights for it at all",
        )
    try:
        return _load_strictly(wanted, options)
    except _LOAD_ERRORS as error:
        raise ModelError(
            "MV1412",
            f"the weights of {wanted!r} cannot be fetched or loaded ({error})",
            hint="load it once on a machine with network; the cache is then used without",
        ) from error


def _encoder(
    name: str, tower: torch.nn.Module, is_random: bool, device: str, precision: str
) -> ImageEncoder:
    resolve: Callable[..., dict[str, Any]] = resolve_model_data_config
    return ImageEncoder(
        name=name,
        tower=tower,
        weights=tower.state_dict(),
        preprocessing=from_timm(resolve(model=tower), name),
        is_projected=False,
        is_normalized=False,
        is_random=is_random,
        device=device,
        precision=precision,
    )
