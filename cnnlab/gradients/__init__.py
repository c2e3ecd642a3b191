"""Statistics of gradients, parameters and activations: pure functions of a `Snapshot`, named by tree path."""

from cnnlab.gradients.measuring import measure
from cnnlab.gradients.snapshot import Snapshot

__all__ = ["Snapshot", "measure"]
