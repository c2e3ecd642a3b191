"""The maps and answers of the network view are the nets' own."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnnlab.spec.network import Activation
from experiments.page.member_data import effective, member_data, softmax
from experiments.page.pack import LARGEST, unpacked
from experiments.page.saliency import effective_field
from experiments.page.view import Context
from experiments.page.views import network


def test_softmax_by_hand() -> None:
    shares = softmax(np.array([[0.0, np.log(3)], [1000.0, 1000.0]]))
    assert shares == pytest.approx(np.array([[0.25, 0.75], [0.5, 0.5]]))


def test_every_map_of_every_image_is_embedded(context: Context) -> None:
    for member in context.members:
        data = member_data(member)
        spatial = [node.name for node in member.network.nodes if member.maps[node.name].ndim == 4]
        assert [name for name, _ in data["layers"]] == spatial
        for name in spatial:
            assert len(data["maps"][name]) == len(member.images)
            own = member.maps[name][2]
            kept = data["maps"][name][2]
            source = data["maps"][kept["relu"]][2] if "relu" in kept else kept
            back = unpacked(source, own.shape).clip(0 if "relu" in kept else None)
            assert np.array(kept["scales"]) * LARGEST == pytest.approx(np.abs(own).max((0, 1)), rel=1e-6)
            assert back == pytest.approx(own, abs=1e-4 * max(1e-9, float(np.abs(own).max())))


def test_the_map_of_a_relu_alone_is_left_to_the_script(context: Context) -> None:
    """The twin: a net of another activation keeps all its maps."""
    member = context.members[0]
    layers = [replace(node, kind="tanh") if isinstance(node, Activation) else node for node in member.network.nodes]
    others = replace(member, network=replace(member.network, nodes=tuple(layers)))
    for one, left_out in ((member, 6), (others, 0)):
        kept = [maps[0] for maps in member_data(one)["maps"].values()]
        assert sum("data" not in packed for packed in kept) == left_out


def test_answers_are_shares_and_labels_are_those_of_the_images(context: Context) -> None:
    for member in context.members:
        data = member_data(member)
        assert [sum(shares) for shares in data["answers"]] == pytest.approx([1] * len(member.images), abs=0.01)
        assert data["labels"] == [image.label for image in member.images]
        best = [int(np.argmax(shares)) for shares in data["answers"]]
        assert best == member.maps[member.network.output].argmax(-1).tolist()


def test_the_finding_counts_the_numbers(context: Context) -> None:
    content = network.make(context)
    assert content is not None
    # 16 channels; four maps of 12x12, five of 6x6 and five of 3x3, in 14 layers
    assert f"{16 * (4 * 144 + 5 * 36 + 5 * 9):,} numbers in {14 * 16} maps" in content.finding


def test_without_members_the_view_is_left_out() -> None:
    assert network.make(Context()) is None


def test_the_effective_field_of_one_even_kernel_is_its_window() -> None:
    """Nine equal shares about the middle; the twin, a layer that reads nothing, has none."""
    images = np.random.default_rng(0).normal(size=(4, 9, 9, 1))
    kernel = jnp.ones((3, 3, 1, 1))
    dimensions = ("NHWC", "HWIO", "NHWC")
    found = effective_field(
        lambda x: jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=dimensions), images
    )
    wanted = np.zeros((9, 9))
    wanted[3:6, 3:6] = 1 / 9
    assert found == pytest.approx(wanted, abs=1e-6)
    assert not effective_field(lambda x: 0 * x, images).any()
    assert effective(found, 4)["parts"][4][3] == 1
    assert effective(found, 4)["told"] == "over 4 test images; its radius is 1.2 px"
