"""How many filters each convolution of the parametric net has."""

from cnnlab.spec.invalid import require
from cnnlab.spec.net import MAX_FILTERS, ConvNet


def widths(net: ConvNet) -> tuple[int, ...]:
    """Give the filters of every convolution: `net.widths` where written out, else by schedule.

    A stage ends with a down-sampling; one of the image itself (place 0) ends none, so the first convolution has
    `net.width` filters under every schedule but `inverted`, whose last one has.

    Raises:
        InvalidError: the schedule grows beyond `MAX_FILTERS` filters.
    """
    if net.widths:
        return net.widths
    places = range(1, net.depth + 1)
    stages = [sum(1 <= pool < place for pool in net.pools) for place in places]
    factors = {
        "constant": [1] * net.depth,
        "double_per_stage": [2**stage for stage in stages],
        "double_per_conv": [2 ** (place - 1) for place in places],
        "linear": list(places),
        "inverted": [2 ** (stages[-1] - stage) for stage in stages],
    }[net.width_schedule]
    found = tuple(net.width * factor for factor in factors)
    grown = f"must keep every convolution at {MAX_FILTERS} filters or fewer; here one has {max(found)}"
    require(max(found) <= MAX_FILTERS, "model.width_schedule", net.width_schedule, grown)
    return found
