"""How much of the image can be read off a layer by a linear decoder: before and after every down-sampling."""

import functools

import numpy as np
from numpy.typing import NDArray

from cnnlab.probes.reconstruction import linear_r2
from cnnlab.probes.trained import TrainedMember, by_place, down_samplings, source

Floats = NDArray[np.float64]

HELD_OUT = 0.25
"""Share of the training images that choose the decoder's penalty."""

RANK_TOLERANCE = 1e-10


def probe(member: TrainedMember) -> dict[str, float]:
    """Share of the test pixels' variance explained (R2): `<layer>/before`, `after` and `drop` of a down-sampling.

    Fitted on training images, scored on test images; below 0 where the decoder does worse than the mean image.
    """
    explained = functools.cache(lambda name: _score(member, name))
    found = {}
    for node in down_samplings(member.network):
        before, after = explained(source(member.network, node).name), explained(node.name)
        found[node.name] = {"before": before, "after": after, "drop": before - after}
    return by_place(found, member.network)


def compact(train: Floats, *others: Floats) -> list[Floats]:
    """Rotate features [count, features] to the directions in which the training features differ, and drop the rest.

    A ridge solution is a sum of training features, so nothing it can use is lost, while the decoder's cost falls from
    that of the features to that of the images. Relative to the training mean.
    """
    mean = train.mean(0)
    centred = train - mean
    values, vectors = np.linalg.eigh(centred @ centred.T)
    kept = values > RANK_TOLERANCE * values[-1]
    lengths, turns = np.sqrt(values[kept]), vectors[:, kept]
    return [turns * lengths, *(((part - mean) @ centred.T) @ (turns / lengths) for part in others)]


def _score(member: TrainedMember, name: str) -> float:
    """R2 of one layer; 0 for a layer whose output is the same for all images."""
    train, test = (
        (layers[name].reshape(len(split), -1).astype(np.float64), split.images.reshape(len(split), -1).astype("f8"))
        for layers, split in ((member.on_train, member.train), (member.on_test, member.test))
    )
    if not np.ptp(train[0], axis=0).any():
        return 0.0
    fitted = len(train[0]) - int(HELD_OUT * len(train[0]))
    parts = compact(train[0][:fitted], train[0][fitted:], test[0])
    targets = (train[1][:fitted], train[1][fitted:], test[1])
    return linear_r2(*((part, target) for part, target in zip(parts, targets, strict=True)))
