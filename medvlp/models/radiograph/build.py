"""Any network for radiographs from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.models.radiograph.carzero import CarzeroNetwork
from medvlp.models.radiograph.kad import KadNetwork
from medvlp.models.radiograph.mavl import MavlNetwork
from medvlp.models.radiograph.medklip import MedklipNetwork
from medvlp.models.radiograph.network import RadiographNetwork
from medvlp.models.radiograph.settings import RadiographModelSettings

if TYPE_CHECKING:
    from medvlp.models.radiograph.released import ReleasedNetwork
    from medvlp.models.radiograph.released_settings import FindingNetworkSettings

__all__ = ["build_finding_network"]

_RELEASED: dict[str, type[ReleasedNetwork]] = {
    "medklip": MedklipNetwork,
    "kad": KadNetwork,
    "mavl": MavlNetwork,
    "carzero": CarzeroNetwork,
}


def build_finding_network(
    settings: FindingNetworkSettings, vocab_size: int, *, seed: int = 0
) -> RadiographNetwork | ReleasedNetwork:
    """Build a network with random weights.

    Args:
        settings: Which network; ``architecture`` says so.
        vocab_size: Number of pieces of the text tower's tokenizer.
        seed: Fixes the random weights.

    Raises:
        ModelError: If the image network cannot be built (MV1402, MV1407, MV1460, MV1463).
    """
    if isinstance(settings, RadiographModelSettings):
        return RadiographNetwork(settings, vocab_size, seed=seed)
    return _RELEASED[settings.architecture](settings, vocab_size, seed=seed)
