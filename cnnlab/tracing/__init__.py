"""A Flax module's forward pass, read from its jaxpr, as a `Network` that geometry can measure."""

from cnnlab.tracing.tracing import trace, xla_macs

__all__ = ["trace", "xla_macs"]
