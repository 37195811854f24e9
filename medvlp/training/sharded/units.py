"""Which parts of a network are gathered one after the other while the rest stays divided."""

from __future__ import annotations

from torch import nn

__all__ = ["shard_units", "small_parameters", "transformer_blocks"]


def transformer_blocks(network: nn.Module) -> list[nn.Module]:
    """Return the repeated blocks of a network, in the order in which they stand.

    Blocks are the members of the outermost lists whose members are all of one class, with weights,
    such as ``blocks`` of a vision transformer, ``encoder.layer`` of a BERT, or ``layers`` of a
    decoder. Lists of a single member count where the class is that of another list's members too.

    Args:
        network: Any module.
    """
    lists = [
        child
        for child in network.modules()
        if isinstance(child, nn.ModuleList | nn.Sequential) and _is_repeated(child)
    ]
    inner = {id(part) for whole in lists for part in whole.modules() if part is not whole}
    return [block for whole in lists if id(whole) not in inner for block in whole]


def shard_units(network: nn.Module) -> list[nn.Module]:
    """Return what is gathered at once, inner parts before the parts that hold them.

    Blocks first; then each child of the network that holds blocks, for its embeddings and its last
    norm; the network itself last, for its projections.

    Args:
        network: What is to be divided.
    """
    blocks = transformer_blocks(network)
    known = {id(block) for block in blocks}
    towers = [
        child
        for child in network.children()
        if id(child) not in known and any(id(part) in known for part in child.modules())
    ]
    return [*blocks, *towers, network]


def small_parameters(network: nn.Module) -> set[nn.Parameter]:
    """Return the parameters without an axis, such as a logit scale, which cannot be divided.

    Args:
        network: What is to be divided.
    """
    return {parameter for parameter in network.parameters() if parameter.ndim == 0}


def _is_repeated(members: nn.ModuleList | nn.Sequential) -> bool:
    kinds = {type(member) for member in members}
    has_inner = all(any(True for _ in member.children()) for member in members)
    return len(kinds) == 1 and len(members) >= 1 and has_inner and _has_weights(members)


def _has_weights(module: nn.Module) -> bool:
    return any(True for _ in module.parameters())
