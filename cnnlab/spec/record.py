"""What an arm's members produced, as plain values: the content of `record.json`."""

import functools
from dataclasses import dataclass, field
from typing import Any

from cnnlab.spec.curve import AtRate, Finals, finals

PROTOCOL = 4
"""Raised whenever recorded numbers may change; part of every record, and never pooled over.

4: every member at every learning rate, read leave-one-out (`cnnlab.spec.curve`); tasks that draw training images anew.
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Exact properties of the arm's net on the task's image size (`cnnlab.geometry`).

    Attributes:
        params: trainable parameters. macs: multiply-accumulates of conv and dense weights, per sample.
        receptive_field: [height, width] in pixels of a unit of the last spatial map, not clipped to the image.
        output_size: [height, width] of the last spatial map before the head.
        activation_elements: elements of all layer outputs, per sample.

    Of a user's module that cannot be followed (`cnnlab.modules.graph`) all but the parameters are None.
    """

    params: int
    macs: int | None = None
    receptive_field: tuple[int, int] | None = None
    output_size: tuple[int, int] | None = None
    activation_elements: int | None = None


@dataclass(frozen=True, kw_only=True)
class Record:
    """One arm: what config, seeds and versions determine, and nothing else.

    Attributes:
        protocol: `PROTOCOL` of the code that wrote it.
        arm: the arm's key, also its folder.
        config: `plain(arm)`: net, recipe, task.
        members: their seeds.
        rates: every member's results at every learning rate, by ascending rate.
        test_images: how many images a test accuracy counts.
        linear_accuracy: validation accuracy of logistic regression on the draws of the first members.
        histories: per member, at the rate where it is read: series by name, each as long as `images_seen`
            (`loss/...`; of a watched arm also `accuracy/...`, and `<statistic>/<layer>/<parameter>`).
        probes: per member of a watched arm, after training at the rate where it is read: values by path
            (`linear_probe/pool_after4/drop`, see `cnnlab.probes.final`). Empty for a diverged member; a value that is
            not finite has no path.
        geometry: see `Measured`.
        claims: digest of every claim that was registered when the record was made, by id.
        status: always `complete`; an arm that failed has no record but a `failure.txt` that says why.
    """

    protocol: int
    arm: str
    config: dict[str, Any]
    members: tuple[int, ...]
    rates: tuple[AtRate, ...]
    test_images: int
    linear_accuracy: tuple[float, ...]
    histories: tuple[dict[str, Any], ...]
    probes: tuple[dict[str, float], ...]
    geometry: Measured
    claims: dict[str, str] = field(default_factory=dict)
    status: str = "complete"

    @functools.cached_property
    def finals(self) -> Finals:
        """Every member's results at the rate where it is read; derived from `rates`, never stored."""
        return finals(self.rates)
