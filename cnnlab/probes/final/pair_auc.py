"""Whether a 1x1 layer on the task `parts` groups the channels that belong together."""

import itertools

import numpy as np

from cnnlab.data.tasks import parts
from cnnlab.probes.eigenvalues import Floats
from cnnlab.probes.trained import TrainedMember, first_convolution, reads_image


def probe(member: TrainedMember) -> dict[str, float]:
    """`auc` with which the weights of a first 1x1 convolution tell true pairs of parts from other pairs.

    Empty on every other task, and where the first convolution is not a 1x1 that reads the parts themselves.
    """
    node = first_convolution(member.network)
    first = node.kernel == (1, 1) and reads_image(member.network, node)
    if member.task.name != "parts" or not first:
        return {}
    return {"auc": pair_auc(member.params[node.name]["kernel"][0, 0].astype(np.float64), parts.PAIRS)}


def pair_auc(weights: Floats, pairs: tuple[tuple[int, int], ...]) -> float:
    """Probability that a true pair of channels scores higher than another pair; a tie counts half.

    Two channels score the sum over filters of |w| times |w|: high where the same filters read both.

    Args:
        weights: (channels, filters).
        pairs: the true ones.
    """
    from sklearn.metrics import roc_auc_score

    strength = np.abs(weights) @ np.abs(weights).T
    every = list(itertools.combinations(range(len(weights)), 2))
    true = {tuple(sorted(pair)) for pair in pairs}
    return float(roc_auc_score([pair in true for pair in every], [strength[pair] for pair in every]))
