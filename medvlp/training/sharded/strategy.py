"""FSDP2 as a strategy of the trainer, with states and results that DDP's runs read too."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.trainer.states import TrainerFn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy
from torch.distributed.tensor import DTensor

from medvlp.errors import UsageError
from medvlp.training.learner import Learner
from medvlp.training.sharded.clipping import (
    ShardedMixedPrecision,
    ShardedPrecision,
    average_whole_gradients,
)
from medvlp.training.sharded.tensors import divided_like, fill_module, made_whole
from medvlp.training.sharded.wrapping import built_on_rank_0, divide, gather_units

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torch.distributed.device_mesh import DeviceMesh
    from torch.optim import Optimizer

__all__ = ["FullySharded"]


class FullySharded(DDPStrategy):
    """Divides weights, gradients and the optimiser's state among the ranks (FSDP2).

    A rank gathers one transformer block at a time, computes with it and lets it go. Losses are
    those of DDP up to the order in which gradients are added.

    Args:
        shard_over: ``world`` divides over all ranks; ``node`` inside each node, and repeats the
            parts from node to node: more memory, and only gradients travel between nodes.
        reshard_after_forward: Let go of a block after its way forth and gather it again for the
            way back; false keeps all blocks gathered in between.
        timeout_minutes: How long a rank waits for the others.
    """

    def __init__(
        self,
        shard_over: Literal["world", "node"] = "world",
        reshard_after_forward: bool = True,
        timeout_minutes: float = 30.0,
    ) -> None:
        super().__init__(timeout=timedelta(minutes=timeout_minutes))
        self._shard_over = shard_over
        self._reshard_after_forward = reshard_after_forward

    @property
    def precision_plugin(self) -> Precision:
        """How numbers are rounded, and how gradients are clipped."""
        return self._precision_plugin or ShardedPrecision()

    @precision_plugin.setter
    def precision_plugin(self, plugin: Precision | None) -> None:
        self._precision_plugin = None if plugin is None else _clipping(plugin)

    @contextmanager
    def tensor_init_context(self, empty_init: bool | None = None) -> Iterator[None]:
        """Let tensors be made in the processor's memory, whatever the device of training."""
        with nullcontext():
            yield

    @contextmanager
    def model_sharded_context(self) -> Iterator[None]:
        """Let the module build its networks, then divide them.

        Raises:
            UsageError: MV1863 for a recipe whose steps call parts of a network on their own.
        """
        module = self._module()
        if isinstance(module, Learner) and not module.divides:
            raise UsageError(
                "MV1863",
                f"{type(module).__name__} does not train with trainer.strategy=fsdp2: its steps "
                "call parts of the network, whose weights would not be gathered",
                expected="a recipe of image-text pairs, or trainer.strategy=ddp",
            )
        with built_on_rank_0():
            yield
        if self._layer_sync is not None:
            self._layer_sync.apply(module)
        divide(
            module,
            self._mesh(),
            self.root_device,
            precision=self._precision_policy(),
            reshard_after_forward=self._reshard_after_forward,
        )

    def setup(self, trainer: pl.Trainer) -> None:
        """Set up the optimisers; the networks have been divided before.

        Args:
            trainer: The trainer.
        """
        if self.accelerator is not None:
            self.accelerator.setup(trainer)
        self.model_to_device()
        if trainer.state.fn == TrainerFn.FITTING:
            self.setup_optimizers(trainer)
        self.setup_precision_plugin()
        for optimizer in self.optimizers:
            _step_one_by_one(optimizer)

    def validation_step(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # as Lightning does
        """Measure a batch; a rank that has none of its rows gathers what the others need.

        Args:
            args: The batch, None where this rank has none, and its number.
            kwargs: The same by name.
        """
        output = super().validation_step(*args, **kwargs)
        if args and args[0] is None:
            gather_units(self._module())
        return output

    def post_backward(self, closure_loss: torch.Tensor) -> None:
        """Average the gradients of what is not divided.

        Args:
            closure_loss: The loss.
        """
        average_whole_gradients(self._module().parameters())

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Return the whole weights on rank 0, on the processor, and an empty state elsewhere."""
        return self._kept(self._module().state_dict())

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return the whole state of an optimiser on rank 0, and an empty state elsewhere.

        Args:
            optimizer: The optimiser.
        """
        return self._kept(super().optimizer_state(optimizer))

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        filepath: str | Path,
        storage_options: Any = None,  # noqa: ANN401  # as Lightning does
    ) -> None:
        """Write a state; what callbacks keep of divided weights is made whole first.

        Args:
            checkpoint: What the trainer gives on every rank.
            filepath: Folder to write.
            storage_options: Not used.
        """
        super().save_checkpoint(self._kept(checkpoint), filepath, storage_options)

    def load_checkpoint(
        self, checkpoint_path: str | Path, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a state; what callbacks keep of divided weights is divided as the weights are.

        Args:
            checkpoint_path: Folder of the state.
            weights_only: Not used: nothing can be run by reading.
        """
        state = super().load_checkpoint(checkpoint_path, weights_only)
        likes = self._module().state_dict()
        kept = {name: _divided_weights(part, likes) for name, part in state["callbacks"].items()}
        return {**state, "callbacks": kept}

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Fill the divided networks.

        Args:
            checkpoint: The state of a run, whole tensors on each rank.
            strict: Not used: all names and shapes must agree.

        Raises:
            DataError: MV1862 if they do not.
        """
        fill_module(self._module(), checkpoint["state_dict"], "the state of the run")

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Fill the divided states of the optimisers.

        Args:
            checkpoint: The state of a run, whole tensors on each rank.
        """
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            optimizer.load_state_dict(_divided_state(optimizer, state))
            _step_one_by_one(optimizer)  # else as the groups of the state did, which may be others

    def teardown(self) -> None:
        """Let go of what belongs to the processes; weights stay where they are."""
        if self.cluster_environment is not None:
            self.cluster_environment.teardown()
        self.precision_plugin.teardown()
        if self.accelerator is not None:
            self.accelerator.teardown()

    def _module(self) -> pl.LightningModule:
        if self.lightning_module is None:
            msg = "the strategy has no module yet"
            raise RuntimeError(msg)
        return self.lightning_module

    def _mesh(self) -> DeviceMesh:
        kind = self.root_device.type
        if self._shard_over == "node" and self.num_nodes > 1:
            shape = (self.num_nodes, self.num_processes)
            return init_device_mesh(kind, shape, mesh_dim_names=("repeat", "shard"))
        return init_device_mesh(kind, (self.world_size,), mesh_dim_names=("shard",))

    def _precision_policy(self) -> MixedPrecisionPolicy:
        is_bf16 = self.precision_plugin.precision == "bf16-mixed"
        if not is_bf16 or self.root_device.type == "cpu":
            return MixedPrecisionPolicy()
        return MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)

    def _kept(self, state: Mapping[str, Any]) -> dict[str, Any]:
        whole = _whole(state, keep=self.is_global_zero)
        return whole if self.is_global_zero else {}


def _whole(value: Any, *, keep: bool) -> Any:  # noqa: ANN401  # a state is any nesting
    """Return a state with whole tensors on the processor; all ranks go through it alike."""
    if isinstance(value, DTensor):
        whole = made_whole(value)
        return whole.to("cpu") if keep else None
    if isinstance(value, dict):
        return {key: _whole(item, keep=keep) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item, keep=keep) for item in value]
    return value


def _divided_weights(value: Any, likes: Mapping[str, Any]) -> Any:  # noqa: ANN401  # any nesting
    """Return a state in which copies of divided weights are divided too."""
    if not isinstance(value, dict):
        return value
    found = {name: _divided_weights(item, likes) for name, item in value.items()}
    for name, item in found.items():
        like = likes.get(name)
        if not (isinstance(item, torch.Tensor) and isinstance(like, DTensor)):
            continue
        if item.shape == like.shape:
            found[name] = divided_like(item, like)
    return found


def _divided_state(optimizer: Optimizer, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of an optimiser, divided as its weights are."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    taken = {}
    for index, kept in state["state"].items():
        like = parameters[int(index)]
        taken[index] = {
            name: divided_like(value, like)
            if isinstance(like, DTensor) and value.shape == like.shape
            else value
            for name, value in kept.items()
        }
    return {**state, "state": taken}


def _clipping(plugin: Precision) -> Precision:
    """Return a plugin of the same precision that clips gradients over all ranks.

    Raises:
        UsageError: MV1861 for half precision of the other kind.
    """
    if isinstance(plugin, ShardedPrecision | ShardedMixedPrecision):
        return plugin
    if type(plugin) is Precision:
        return ShardedPrecision()
    if isinstance(plugin, MixedPrecision) and plugin.precision == "bf16-mixed":
        return ShardedMixedPrecision("bf16-mixed", plugin.device)
    raise UsageError(
        "MV1861",
        f"trainer.precision={plugin.precision!r} does not go with trainer.strategy=fsdp2",
        expected="32-true or bf16-mixed",
    )


def _step_one_by_one(optimizer: Optimizer) -> None:
    """Let groups step weight by weight that hold divided and whole weights.

    torch takes the weights of a group together, and refuses such a mixture.
    """
    for group in optimizer.param_groups:
        if len({isinstance(parameter, DTensor) for parameter in group["params"]}) > 1:
            group.update(foreach=False, fused=False)
