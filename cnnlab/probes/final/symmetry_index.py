"""How symmetric learned kernels are under a turn by 180 degrees."""

import numpy as np

from cnnlab.probes.eigenvalues import Floats
from cnnlab.probes.trained import TrainedMember
from cnnlab.spec.network import Conv


def probe(member: TrainedMember) -> dict[str, float]:
    """Share of energy in the even part of the kernels: of the `first` spatial convolution, and of `all` together.

    0 is a purely odd kernel, such as an edge; 1 an even one, such as a blur. Random kernels of n pixels have
    ceil(n / 2) / n on average. Empty in a net without kernels of more than one pixel.
    """
    nodes = [node for node in member.network.nodes if isinstance(node, Conv) and max(node.kernel) > 1]
    kernels = [member.params[node.name]["kernel"].astype(np.float64) for node in nodes]
    return {"first": even_share(kernels[:1]), "all": even_share(kernels)} if kernels else {}


def even_share(kernels: list[Floats]) -> float:
    """Energy of the even parts (k + turned k) / 2 over the energy of kernels [height, width, channels, filters]."""
    even = sum(float((((kernel + kernel[::-1, ::-1]) / 2) ** 2).sum()) for kernel in kernels)
    return even / sum(float((kernel**2).sum()) for kernel in kernels)
