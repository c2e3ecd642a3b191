"""Whether a net on the task `distractor_channels` has learned to look away from the channels that say nothing."""

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.tasks import distractor_channels
from cnnlab.probes.eigenvalues import Floats
from cnnlab.probes.trained import TrainedMember, Values, first_convolution, reads_image


def probe(member: TrainedMember) -> dict[str, float]:
    """What nuisance channels weigh and do; empty on every other task.

    `weight`: their share of the first convolution's weight energy, over their share of the channels: 1 is no
    preference, 0 none of it. `zeroed`, `swapped`: test accuracy when they are set to their mean, or taken from another
    image, minus the accuracy on the images as they are.
    """
    node = first_convolution(member.network)
    if member.task.name != "distractor_channels" or not reads_image(member.network, node):
        return {}
    nuisance = ~distractor_channels.relevance(member.task)
    kernel = member.params[node.name]["kernel"].astype(np.float64)
    images, labels = member.test.images, member.test.labels
    accuracy = {
        name: float((member.predict(shown) == labels).mean())
        for name, shown in {"as it is": images, **disturbed(images, nuisance)}.items()
    }
    changes = {name: accuracy[name] - accuracy["as it is"] for name in ("zeroed", "swapped")}
    return {"weight": relative_energy(kernel, nuisance), **changes}


def relative_energy(kernel: Floats, chosen: NDArray[np.bool_]) -> float:
    """Share of a kernel's energy on chosen input channels, over the share of the channels they are.

    Args:
        kernel: (height, width, channels, filters). chosen: (channels,).
    """
    energy = (kernel**2).sum((0, 1, 3))
    return float(energy[chosen].sum() / energy.sum() / chosen.mean())


def disturbed(images: Values, chosen: NDArray[np.bool_]) -> dict[str, Values]:
    """Images (n, height, width, channels) with the chosen channels at 0, their mean, or with those of another image.

    The other image is half the sample away.
    """
    zeroed, swapped = images.copy(), images.copy()
    zeroed[..., chosen] = 0
    swapped[..., chosen] = np.roll(images, len(images) // 2, axis=0)[..., chosen]
    return {"zeroed": zeroed, "swapped": swapped}
