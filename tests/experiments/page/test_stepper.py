"""Numbers survive their packing, and a net's own numbers are the sums that the stepper shows."""

import numpy as np
import pytest

from cnnlab.spec.network import Conv, Pool
from experiments.page.member import Member
from experiments.page.member_data import member_data, step, steps
from experiments.page.pack import LARGEST, packed, unpacked
from experiments.page.view import Context
from experiments.page.views import stepper


def test_packing_keeps_each_channel_to_half_a_step() -> None:
    values = np.random.default_rng(0).normal(size=(5, 4, 3)) * np.array([1e-6, 1.0, 300.0])
    back = unpacked(packed(values), values.shape)
    worst = np.abs(back - values).max((0, 1)) / np.abs(values).max((0, 1))
    assert (worst <= 0.5001 / LARGEST).all()
    assert (worst > 0).all()


def test_a_channel_of_zeros_stays_one() -> None:
    values = np.zeros((2, 2, 2))
    values[..., 1] = 1
    assert unpacked(packed(values), values.shape) == pytest.approx(values, rel=1e-8, abs=0)


def summed(member: Member, node: Conv | Pool, image: int, place: tuple[int, int], channel: int) -> float:
    """One number of a layer by loops over its window: what the script does, in Python."""
    read = member.maps[node.inputs[0]][image]
    one = step(member.network, node, read.shape)
    total, seen = 0.0, []
    for down in range(one["kernel"][0]):
        for right in range(one["kernel"][1]):
            y, x = (place[axis] * one["stride"][axis] - one["low"][axis] + tap for axis, tap in ((0, down), (1, right)))
            if 0 <= y < read.shape[0] and 0 <= x < read.shape[1]:
                seen.append(read[y, x, channel] if isinstance(node, Pool) else 0.0)
                if isinstance(node, Conv):
                    total += float(read[y, x] @ member.weights[node.name].kernel[down, right, :, channel])
    if isinstance(node, Pool):
        return float(max(seen)) if node.kind == "max" else float(sum(seen)) / (one["kernel"][0] * one["kernel"][1])
    return total + float(member.weights[node.name].bias[channel])


def test_every_kind_of_layer_sums_to_the_nets_number(context: Context) -> None:
    kinds = set()
    for member in context.members:
        for node in steps(member.network):
            assert isinstance(node, (Conv, Pool))
            height, width, channels = member.maps[node.name].shape[1:]
            for place in {(0, 0), (height - 1, width - 1), (height // 2, 0)}:
                made = summed(member, node, 1, place, channels - 1)
                net = member.maps[node.name][1][place][channels - 1]
                assert made == pytest.approx(net, abs=1e-4)
            kinds.add((type(node).__name__, node.stride[0], node.kernel[0], node.padding))
    assert {("Conv", 1, 3, "same"), ("Conv", 2, 3, "same"), ("Conv", 1, 1, "same"), ("Conv", 1, 2, "valid")} <= kinds
    assert ("Pool", 2, 2, "valid") in kinds


def test_another_window_would_be_found(context: Context) -> None:
    member = context.members[0]
    node = member.network["conv2"]
    assert isinstance(node, Conv)
    assert summed(member, node, 0, (5, 5), 3) != pytest.approx(member.maps["conv2"][0, 5, 6, 3], abs=1e-4)


def test_a_member_says_what_stands_behind_a_layer(context: Context) -> None:
    data = member_data(context.members[0])
    named = {one["name"]: one for one in data["steps"]}
    assert (named["conv1"]["then"], named["conv1"]["does"]) == ("act1", "relu")
    assert named["pool_after2"]["then"] is None
    assert set(data["maps"]) == set(data["shapes"])
    assert set(data["weights"]) == {name for name, one in named.items() if one["kind"] == "conv"}


def test_without_members_the_view_is_left_out() -> None:
    assert stepper.make(Context()) is None
