"""Exact properties of an arm's net, reported beside every result."""

from cnnlab.geometry.cost import cost
from cnnlab.geometry.fields import fields
from cnnlab.geometry.sizes import sizes
from cnnlab.spec.network import Network, Pair
from cnnlab.spec.record import Measured


def measured(network: Network, size: Pair) -> Measured:
    """Parameters, MACs, activations, and field and size of the last spatial map, on an image of (height, width) `size`.

    Raises:
        AlignmentError, InvalidError: as `cnnlab.geometry.fields.fields`.
    """
    priced = cost(network, size)
    field, last = fields(network, size)[network.features].rf, sizes(network, size)[network.features]
    assert field is not None, "known where the image size is"
    assert last is not None, "known where the image size is"
    return Measured(
        params=priced.params,
        macs=priced.macs,
        receptive_field=field,
        output_size=last,
        activation_elements=priced.activation_elements,
    )
