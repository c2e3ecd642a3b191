"""Geometry against a second opinion that carries the set of pixels each unit depends on through random networks.

The oracle pushes pixels FORWARD ("input i paints these outputs"), geometry asks backwards ("output u reads these").
"""

import dataclasses
from collections import Counter, defaultdict
from fractions import Fraction
from math import ceil, prod

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cnnlab.geometry import layers as geometry_layers
from cnnlab.geometry.coverage import coverage, network_coverage, plane, transposed_coverage
from cnnlab.geometry.fields import AlignmentError, fields
from cnnlab.geometry.sizes import sizes
from cnnlab.geometry.windows import window
from cnnlab.spec.network import (
    Activation,
    Add,
    Blur,
    Concat,
    Conv,
    DepthToSpace,
    GroupPad,
    Input,
    Network,
    Pad,
    Pool,
    Resize,
    SpaceToDepth,
    TransposedConv,
)

MARGIN = 160
UNITS = range(-2, 4)


# ------------------------------------------------------------------------------------------------------ the oracle


def same_pads(length, span, stride):
    """TensorFlow's documented wording of the SAME rule."""
    total = max(span - (length % stride or stride), 0)
    return total // 2, total - total // 2


def pads_of(node, axis, length, span):
    if node.padding == "same":
        return same_pads(length, span, node.stride[axis])
    return (0, 0) if node.padding == "valid" else node.padding[axis]


def painted(node, axis, length, position):
    """List the outputs that one input position reaches, along one axis, each as often as it has paths there."""
    match node:
        case Conv() | Pool() | Blur():
            dilation = node.dilation[axis] if isinstance(node, Conv) else 1
            low, _ = pads_of(node, axis, length, (node.kernel[axis] - 1) * dilation + 1)
            starts = (position + low - tap * dilation for tap in range(node.kernel[axis]))
            return [start // node.stride[axis] for start in starts if start % node.stride[axis] == 0]
        case TransposedConv():
            kernel, stride = node.kernel[axis], node.stride[axis]
            crop = {"valid": 0, "same": max(kernel - stride, 0) // 2}
            low = crop[node.padding] if isinstance(node.padding, str) else node.padding[axis][0]
            return [position * stride + tap - low for tap in range(kernel)]
        case Resize():
            near = range(int((position - 2) * node.scale[axis]) - 2, int((position + 3) * node.scale[axis]) + 3)
            places = {unit: (unit + Fraction(1, 2)) / node.scale[axis] for unit in near}
            if node.kind == "nearest":
                return [unit for unit, place in places.items() if position <= place < position + 1]
            return [unit for unit, place in places.items() if abs(place - Fraction(1, 2) - position) < 1]
        case SpaceToDepth():
            return [position // node.block]
        case DepthToSpace():
            return [position * node.block + within for within in range(node.block)]
        case Pad():
            return [position + node.padding[axis][0]]
        case GroupPad():
            return sorted({position + node.total[axis] // 2, position + node.total[axis] - node.total[axis] // 2})
    return [position]


def grown(node, axis, length):
    """Output length along one axis, by counting the windows that fit."""
    match node:
        case Conv() | Pool() | Blur():
            if node.padding == "same":
                return ceil(length / node.stride[axis])
            span = (node.kernel[axis] - 1) * (node.dilation[axis] if isinstance(node, Conv) else 1) + 1
            low, high = pads_of(node, axis, length, span)
            return len(range(-low, length + high - span + 1, node.stride[axis]))
        case TransposedConv():
            low = {"valid": 0, "same": 0}[node.padding] if isinstance(node.padding, str) else sum(node.padding[axis])
            full = max(painted(dataclasses.replace(node, padding="valid"), axis, length, length - 1)) + 1
            return length * node.stride[axis] if node.padding == "same" else full - low
        case Resize():
            return int(length * node.scale[axis])
        case SpaceToDepth():
            return length // node.block
        case DepthToSpace():
            return length * node.block
        case Pad():
            return length + sum(node.padding[axis])
        case GroupPad():
            return length + node.total[axis]
    return length


def dependence(network, length, axis):
    """{node: {unit: set of image positions}} on a line that goes on for MARGIN pixels beyond the image, and lengths."""
    seen, lengths = {}, {}
    for node in network.nodes:
        if isinstance(node, Input):
            seen[node.name] = {place: {place} for place in range(-MARGIN, length + MARGIN)}
            lengths[node.name] = length
            continue
        made = defaultdict(set)
        for source in node.inputs:
            for position, pixels in seen[source].items():
                for unit in painted(node, axis, lengths[source], position):
                    made[unit] |= pixels
        seen[node.name] = made
        lengths[node.name] = grown(node, axis, lengths[node.inputs[0]])
    return seen, lengths


def path_counts(network, length, axis):
    """Per node, how often each of its real units depends on each real pixel; padding dropped at every layer."""
    seen, lengths = {}, {}
    for node in network.nodes:
        if isinstance(node, Input):
            seen[node.name] = {place: Counter({place: 1}) for place in range(length)}
            lengths[node.name] = length
            continue
        lengths[node.name] = grown(node, axis, lengths[node.inputs[0]])
        made = {unit: Counter() for unit in range(lengths[node.name])}
        for source in node.inputs:
            for position, counts in seen[source].items():
                for unit in painted(node, axis, lengths[source], position):
                    if unit in made:
                        made[unit].update(counts)
        seen[node.name] = made
    return seen


# ------------------------------------------------------------------------------------------------------ the checks


def check_sizes(network, length):
    found = sizes(network, (length, length))
    for axis in (0, 1):
        _, lengths = dependence(network, length, axis)
        assert {name: size[axis] for name, size in found.items()} == lengths


def check_windows(network, length):
    for axis in (0, 1):
        seen, _ = dependence(network, length, axis)
        for node in network.nodes:
            for unit in UNITS:
                pixels = seen[node.name][unit]
                expected = (min(pixels), max(pixels)) if pixels else None
                assert window(network, (length, length), node.name, (unit, unit))[axis] == expected, (node.name, unit)


def turns(network, axis):
    """After how many outputs of any layer its windows surely look alike again."""
    periods = []
    for node in network.nodes:
        match node:
            case TransposedConv():
                periods.append(node.stride[axis])
            case Resize():
                periods.append(node.scale[axis].numerator)
            case DepthToSpace():
                periods.append(node.block)
    return prod(periods)


def check_fields(network, length):
    """Each node's nominal windows are the hulls of its pixel sets; for whole strides unit by unit, else on average."""
    found = fields(network, (length, length))
    for axis in (0, 1):
        seen, _ = dependence(network, length, axis)
        period = turns(network, axis)
        for node in network.nodes:
            field = found[node.name]
            stride, low, extent = Fraction(field.stride[axis]), -field.padding[axis], field.rf[axis]
            advance = int(stride * period)
            hulls = [(min(s), max(s)) if (s := seen[node.name][unit]) else None for unit in range(2 * period)]
            for now, later in zip(hulls[:period], hulls[period:], strict=True):
                moved = now and (now[0] + advance, now[1] + advance)
                assert moved == later, f"{node.name}: stride"
            assert extent == max((h[1] - h[0] + 1 for h in hulls if h), default=0), f"{node.name}: rf"
            centres = [Fraction(sum(h), 2) - unit * stride for unit, h in enumerate(hulls[:period]) if h]
            if centres:
                nominal = low + Fraction(extent - 1, 2)
                assert nominal == sum(centres, Fraction(0)) / len(centres), f"{node.name}: padding"


def is_aligned(network, length):
    """Whether the hulls that any merge's inputs show have one centre and move alike, for two neighbouring units."""
    for axis in (0, 1):
        seen, _ = dependence(network, length, axis)
        for node in network.nodes:
            if len(node.inputs) > 1:
                hulls = [[sorted(seen[source][unit]) for unit in (0, 1)] for source in node.inputs]
                if len({tuple(pixels[0] + pixels[-1] for pixels in pair) for pair in hulls}) > 1:
                    return False
    return True


def check_merges(network, length):
    """Misaligned networks are refused; aligned ones have the oracle's fields."""
    try:
        fields(network, (length, length))
    except AlignmentError:
        assert not is_aligned(network, length), "an aligned network is refused"
    else:
        assert is_aligned(network, length), "a misaligned network passes"
        check_fields(network, length)


# -------------------------------------------------------------------------------------------------- random networks

PADDINGS = st.one_of(
    st.just("same"), st.just("valid"), st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2)
)
SMALL = st.tuples(st.integers(1, 4), st.integers(1, 4))
STRIDES = st.tuples(st.integers(1, 3), st.integers(1, 3))
LENGTHS = st.integers(24, 41)


@st.composite
def layer(draw, kinds):
    kind = draw(st.sampled_from(kinds))
    match kind:
        case "conv":
            dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
            return Conv(
                name="", filters=4, kernel=draw(SMALL), stride=draw(STRIDES), padding=draw(PADDINGS), dilation=dilation
            )
        case "pool":
            return Pool(name="", kind="max", kernel=draw(SMALL), stride=draw(STRIDES), padding=draw(PADDINGS))
        case "blur":
            return Blur(name="", kernel=draw(SMALL), stride=draw(STRIDES))
        case "pad":
            side = st.tuples(st.integers(-1, 2), st.integers(-1, 2))
            return Pad(name="", padding=(draw(side), draw(side)), mode="zeros")
        case "group_pad":
            return GroupPad(name="", total=draw(st.tuples(st.integers(0, 3), st.integers(0, 3))))
        case "relu":
            return Activation(name="", kind="relu")
        case "transposed":
            padding = draw(st.sampled_from(["same", "valid", ((0, 1), (1, 0))]))
            return TransposedConv(name="", filters=4, kernel=draw(SMALL), stride=draw(STRIDES), padding=padding)
    factor = st.sampled_from([Fraction(2), Fraction(3), Fraction(1, 2), Fraction(3, 2)])
    return Resize(name="", scale=(draw(factor), draw(factor)), kind=draw(st.sampled_from(["nearest", "bilinear"])))


def chained(layers, nodes, source, prefix):
    """Append layers to `nodes`, one after the other; returns the last name."""
    for place, node in enumerate(layers):
        nodes.append(dataclasses.replace(node, name=f"{prefix}{place}", inputs=(source,)))
        source = nodes[-1].name
    return source


WINDOWED = ["conv", "pool", "blur", "pad", "group_pad", "relu"]


@st.composite
def chains(draw, kinds=tuple(WINDOWED)):
    nodes = [Input(name="image", channels=4)]
    last = chained(draw(st.lists(layer(kinds=list(kinds)), min_size=2, max_size=3)), nodes, "image", "n")
    return Network(nodes=tuple(nodes), output=last, features=last)


@st.composite
def branched(draw):
    """Make a stem, then two branches of one total stride under SAME, merged: aligned or not, as it falls."""
    nodes = [Input(name="image", channels=4)]
    stem = chained(draw(st.lists(layer(kinds=["conv"]), max_size=1)), nodes, "image", "stem")
    stride = draw(st.integers(1, 3))

    def conv(kernel, step):
        return Conv(name="", filters=4, kernel=(kernel, kernel), stride=(step, step))

    kernels = st.integers(1, 5)
    left = chained([conv(draw(kernels), stride), conv(draw(kernels), 1)], nodes, stem, "left")
    right = chained([conv(draw(kernels), stride)], nodes, stem, "right")
    merge = draw(st.sampled_from([Add, Concat]))
    nodes.append(merge(name="merge", inputs=(left, right)))
    last = chained([conv(draw(kernels), 1)], nodes, "merge", "end")
    return Network(nodes=tuple(nodes), output=last, features=last)


RANDOM = settings(max_examples=60, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])


def fits(network, length):
    """Whether all maps keep at least one pixel (what geometry does otherwise is tested elsewhere)."""
    _, heights = dependence(network, length, 0)
    _, widths = dependence(network, length, 1)
    return min([*heights.values(), *widths.values()]) >= 1


@RANDOM
@given(chains(), LENGTHS)
def test_random_chains_agree_with_the_oracle(network, length):
    if fits(network, length):
        check_sizes(network, length)
        check_windows(network, length)
        check_fields(network, length)


@pytest.mark.slow
@settings(RANDOM, max_examples=30)
@given(chains(kinds=("transposed", "resize", "conv")), LENGTHS)
def test_random_rational_strides_agree_with_the_oracle(network, length):
    if fits(network, length) and max(turns(network, axis) for axis in (0, 1)) <= 6:
        check_sizes(network, length)
        check_windows(network, length)
        check_fields(network, length)


def sub_pixel(block, *, stride, behind):
    """A strided convolution, another that makes the channels of a block, the block, and one more layer."""
    nodes = [Input(name="image", channels=1)]
    wide = Conv(name="", filters=4 * block**2, kernel=(4, 3), stride=(stride, 1), padding=((1, 0), (0, 1)))
    last = chained([wide, DepthToSpace(name="", block=block), behind], nodes, "image", "n")
    return Network(nodes=tuple(nodes), output=last, features=last)


BLOCKS = [
    sub_pixel(2, stride=1, behind=Conv(name="", filters=1, kernel=(3, 2), stride=(1, 1))),
    sub_pixel(3, stride=2, behind=Conv(name="", filters=1, kernel=(2, 3), stride=(2, 1), padding="valid")),
    sub_pixel(2, stride=3, behind=TransposedConv(name="", filters=1, kernel=(3, 2), stride=(2, 1))),
    sub_pixel(2, stride=1, behind=DepthToSpace(name="", block=2)),
    sub_pixel(4, stride=2, behind=SpaceToDepth(name="", block=2)),
]


@pytest.mark.parametrize("network", BLOCKS)
def test_depth_to_space_agrees_with_the_oracle(network):
    for length in (24, 29):
        check_sizes(network, length)
        check_windows(network, length)
        check_fields(network, length)


@pytest.mark.slow
@settings(RANDOM, max_examples=60)
@given(branched(), LENGTHS)
def test_random_branches_are_refused_exactly_if_the_oracle_finds_them_misaligned(network, length):
    if fits(network, length):
        check_sizes(network, length)
        check_windows(network, length)
        check_merges(network, length)


@RANDOM
@given(st.one_of(chains(), branched()), LENGTHS)
def test_what_is_said_without_a_size_is_true_at_every_size(network, length):
    if not fits(network, length):
        return
    try:
        known = fields(network, (length, length))
    except AlignmentError:
        return
    for name, field in fields(network, None).items():
        assert (field.rf, field.stride, field.shortest) == (known[name].rf, known[name].stride, known[name].shortest)
        for blind, sharp in zip(field.padding, known[name].padding, strict=True):
            assert blind in (None, sharp)


# --------------------------------------------------------------------------------------------------------- coverage


def check_coverage(length, kernel, stride, padding, depth):
    pads = padding if isinstance(padding, str) else (padding, padding)
    node = Conv(name="", filters=1, kernel=(kernel, kernel), stride=(stride, stride), padding=pads)
    nodes = [Input(name="image", channels=1)]
    last = chained([node] * depth, nodes, "image", "n")
    counted = sum(
        path_counts(Network(nodes=tuple(nodes), output=last, features=last), length, 0)[last].values(), Counter()
    )
    assert coverage(length, kernel, stride, padding, depth=depth) == tuple(counted[place] for place in range(length))


@RANDOM
@given(
    st.integers(20, 33),
    st.integers(1, 5),
    st.integers(1, 3),
    st.one_of(st.sampled_from(["same", "valid"]), st.tuples(st.integers(0, 3), st.integers(0, 3))),
    st.integers(1, 2),
)
def test_coverage_counts_every_path(length, kernel, stride, padding, depth):
    check_coverage(length, kernel, stride, padding, depth)


@RANDOM
@given(st.integers(3, 9), st.integers(1, 5), st.integers(1, 3), st.sampled_from(["same", "valid"]), st.integers(1, 2))
def test_transposed_coverage_counts_every_path(length, kernel, stride, padding, depth):
    node = TransposedConv(name="", filters=1, kernel=(kernel, kernel), stride=(stride, stride), padding=padding)
    nodes = [Input(name="image", channels=1)]
    last = chained([node] * depth, nodes, "image", "n")
    seen = path_counts(Network(nodes=tuple(nodes), output=last, features=last), length, 0)[last]
    expected = tuple(sum(seen[unit].values()) for unit in sorted(seen))
    assert transposed_coverage(length, kernel, stride, padding, depth=depth) == expected


@settings(RANDOM, max_examples=20)
@given(chains(kinds=("conv", "pool", "transposed")), st.integers(12, 17))
def test_the_coverage_of_a_chain_is_the_product_of_its_axes(network, length):
    if not fits(network, length):
        return
    axes = []
    for axis in (0, 1):
        counted = sum(path_counts(network, length, axis)[network.output].values(), Counter())
        axes.append([counted[place] for place in range(length)])
    assert network_coverage(network, (length, length), network.output) == plane(*axes)


@pytest.mark.parametrize("network", BLOCKS)
def test_the_coverage_before_depth_to_space_is_the_product_of_its_axes(network):
    axes = []
    for axis in (0, 1):
        counted = sum(path_counts(network, 16, axis)[network.output].values(), Counter())
        axes.append([counted[place] for place in range(16)])
    assert network_coverage(network, (16, 16), network.output) == plane(*axes)


def test_the_coverage_of_branches_is_their_sum():
    parts = [network_coverage(FORKED, (6, 6), name) for name in ("three", "one")]
    total = network_coverage(FORKED, (6, 6), "sum")
    assert total == tuple(tuple(a + b for a, b in zip(*rows, strict=True)) for rows in zip(*parts, strict=True))
    assert parts[0] == plane(coverage(6, 3, 2), coverage(6, 3, 2))
    assert [row[0] for row in parts[1]] == [1, 0, 1, 0, 1, 0]


# ------------------------------------------------------------------------------------- planted faults turn them red

PLAIN = Network(
    nodes=(
        Input(name="image", channels=1),
        Conv(name="first", inputs=("image",), filters=1, kernel=(3, 3), stride=(2, 2)),
        Conv(name="second", inputs=("first",), filters=1, kernel=(4, 4), padding=((1, 2), (1, 2))),
    ),
    output="second",
    features="second",
)


def wrong_stride(along):
    def faulty(node, *rest):
        pretends = isinstance(node, Conv) and node.stride == (2, 2)
        return along(dataclasses.replace(node, stride=(3, 3)) if pretends else node, *rest)

    return faulty


def short_kernel(along):
    def faulty(node, *rest):
        pretends = isinstance(node, Conv) and node.kernel == (4, 4)
        return along(dataclasses.replace(node, kernel=(3, 3)) if pretends else node, *rest)

    return faulty


def block_too_small(along):
    def faulty(node, *rest):
        pretends = isinstance(node, DepthToSpace)
        return along(dataclasses.replace(node, block=node.block - 1) if pretends else node, *rest)

    return faulty


@pytest.mark.parametrize("check", [check_sizes, check_windows, check_fields])
def test_a_wrong_block_is_noticed(monkeypatch, check):
    for module in ("sizes", "fields", "windows"):
        monkeypatch.setattr(f"cnnlab.geometry.{module}.along", block_too_small(geometry_layers.along))
    with pytest.raises(AssertionError):
        check(BLOCKS[0], 24)


@pytest.mark.parametrize("check", [check_sizes, check_windows, check_fields])
@pytest.mark.parametrize("fault", [wrong_stride, short_kernel])
def test_a_wrong_window_is_noticed(monkeypatch, check, fault):
    check(PLAIN, 24)
    for module in ("sizes", "fields", "windows"):
        monkeypatch.setattr(f"cnnlab.geometry.{module}.along", fault(geometry_layers.along))
    with pytest.raises(AssertionError):
        check(PLAIN, 24)


def odd_pixel_first(length, span, stride):
    low, high = same_pads(length, span, stride)
    return high, low


@pytest.mark.parametrize("check", [check_windows, check_fields])
def test_a_same_rule_that_puts_the_odd_pixel_first_is_noticed(monkeypatch, check):
    monkeypatch.setattr(geometry_layers, "same_padding", odd_pixel_first)
    with pytest.raises(AssertionError):
        check(PLAIN, 24)


def test_coverage_with_the_odd_pixel_first_is_noticed(monkeypatch):
    check_coverage(24, 3, 2, "same", 2)
    monkeypatch.setattr("cnnlab.geometry.coverage.same_padding", odd_pixel_first)
    with pytest.raises(AssertionError):
        check_coverage(24, 3, 2, "same", 2)


FORKED = Network(
    nodes=(
        Input(name="image", channels=1),
        Conv(name="three", inputs=("image",), filters=1, kernel=(3, 3), stride=(2, 2)),
        Conv(name="one", inputs=("image",), filters=1, kernel=(1, 1), stride=(2, 2)),
        Add(name="sum", inputs=("three", "one")),
    ),
    output="sum",
    features="sum",
)


def test_a_fork_under_same_is_aligned_on_odd_maps_only():
    assert (is_aligned(FORKED, 24), is_aligned(FORKED, 25)) == (False, True)
    check_merges(FORKED, 24)
    check_merges(FORKED, 25)
    with pytest.raises(AlignmentError, match="sum: centre 1 vs 0 along the height"):
        fields(FORKED, (24, 24))


def test_a_merge_that_is_never_checked_is_noticed(monkeypatch):
    monkeypatch.setattr("cnnlab.geometry.fields._check_alignment", lambda *_: None)
    with pytest.raises(AssertionError, match="a misaligned network passes"):
        check_merges(FORKED, 24)
