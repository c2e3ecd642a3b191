"""Linear probes, reconstruction, effective rank and saturation against slow oracles, with planted faults."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from cnnlab.data import Split
from cnnlab.probes.eigenvalues import centred_spectrum, units
from cnnlab.probes.final import linear_probe, reconstruction
from cnnlab.probes.final.effective_rank import effective_rank
from cnnlab.probes.final.saturation import saturation
from cnnlab.spec.net import ConvNet
from cnnlab.zoo.lowering import network

DRAW = np.random.default_rng(0)
GRAPH = network(ConvNet(depth=2, width=4, pools=(1,)), 8, 1, 2)


# -------------------------------------------------------------------------------------------------------- linear probe


def slow_readable(train: Any, test: Any) -> float:
    """Leave out each image in turn, solve the normal equations with an intercept, and take the best penalty."""
    mean, spread = train[0].mean(0), train[0].std(0)
    features, new = ((part - mean) / np.where(spread > 0, spread, 1) for part in (train[0], test[0]))
    classes = np.unique(train[1])
    targets = np.where(train[1][:, None] == classes, 1.0, -1.0)

    def solve(rows: Any, wanted: Any, penalty: float) -> tuple[Any, Any]:
        x, y = rows - rows.mean(0), wanted - wanted.mean(0)
        weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
        return weights, wanted.mean(0) - rows.mean(0) @ weights

    def left_out(penalty: float) -> float:
        errors = []
        for place in range(len(features)):
            rest = np.arange(len(features)) != place
            weights, offset = solve(features[rest], targets[rest], penalty)
            errors.append(((features[place] @ weights + offset - targets[place]) ** 2).mean())
        return float(np.mean(errors))

    weights, offset = solve(features, targets, min(linear_probe.PENALTIES, key=left_out))
    return float((classes[(new @ weights + offset).argmax(1)] == test[1]).mean())


def classed(count: int, features: int, signal: float = 1.0) -> tuple[Any, Any]:
    labels = np.arange(count, dtype=np.int32) % 3
    values = DRAW.normal(size=(count, features))
    values[:, :3] += signal * np.eye(3)[labels]
    return values, labels


@pytest.mark.parametrize("features", [6, 60])  # fewer and more than there are images
def test_the_probe_is_ridge_classification_with_leave_one_out(features: int) -> None:
    train, test = classed(36, features), classed(300, features)
    assert linear_probe.readable(train, test) == pytest.approx(slow_readable(train, test), abs=0.011)


def at_chance_on_noise(readable: Callable[[Any, Any], float]) -> bool:
    """Where labels have nothing to do with the features, one in three is right."""
    return abs(readable(classed(60, 200, 0.0), classed(600, 200, 0.0)) - 1 / 3) < 0.08


def test_noise_cannot_be_read() -> None:
    assert at_chance_on_noise(linear_probe.readable)
    assert linear_probe.readable(classed(60, 6, 20.0), classed(60, 6, 20.0)) == 1.0


def test_a_probe_that_is_scored_on_what_it_was_fitted_to_is_noticed() -> None:
    assert not at_chance_on_noise(lambda train, test: linear_probe.readable(train, train))


def shown(after: float, before: float = 30.0, pixels: int = 1) -> Any:
    """A member whose pool turns features with a strong trace of the class into ones with another."""

    def layers(count: int) -> tuple[Split, Mapping[str, Any]]:
        labels = np.arange(count, dtype=np.int32) % 2
        traces = {"act1": before, "pool_after1": after, "gap": 0.0, "act2": 0.0}
        made = {
            name: DRAW.normal(size=(count, 2, 2, 3)) + size * labels[:, None, None, None]
            for name, size in traces.items()
        }
        return Split(DRAW.normal(size=(count, pixels, 2, 1)).astype("f4"), labels), made

    (train, on_train), (test, on_test) = layers(60), layers(200)
    return SimpleNamespace(network=GRAPH, train=train, test=test, on_train=on_train, on_test=on_test)


def finds_the_loss(probe: Callable[[Any], dict[str, float]]) -> bool:
    """A pool that wipes out the class costs half of the accuracy; one that brings it about gains as much."""
    lost, gained = probe(shown(after=0.0)), probe(shown(before=0.0, after=30.0))
    assert lost["pool_after1/drop"] == pytest.approx(lost["pool_after1/before"] - lost["pool_after1/after"])
    return lost["last/drop"] == pytest.approx(0.5, abs=0.1) and gained["last/drop"] == pytest.approx(-0.5, abs=0.1)


def test_a_pool_that_wipes_out_the_class_is_found() -> None:
    assert finds_the_loss(linear_probe.probe)
    assert linear_probe.probe(shown(after=0.0))["head/accuracy"] == pytest.approx(0.5, abs=0.1)


def test_before_and_after_exchanged_is_noticed() -> None:
    def exchanged(member: Any) -> dict[str, float]:
        found = linear_probe.probe(member)
        swap = {"before": "after", "after": "before"}
        turned = {
            path: found[f"{path.rsplit('/', 1)[0]}/{swap[path.rsplit('/', 1)[1]]}"]
            for path in found
            if path.rsplit("/", 1)[1] in swap
        }
        return turned | {path: -value for path, value in found.items() if path.endswith("drop")}

    assert not finds_the_loss(exchanged)


# ------------------------------------------------------------------------------------------------------ reconstruction


def keeps_what_ridge_needs(compact: Callable[..., list[Any]]) -> bool:
    """A library's ridge predicts the same from rotated features as from all of them."""
    train, test, targets = DRAW.normal(size=(20, 50)) + 3, DRAW.normal(size=(30, 50)) + 3, DRAW.normal(size=(20, 4))
    rotated = compact(train, test)
    whole = Ridge(alpha=2.0).fit(train, targets).predict(test)
    return np.allclose(Ridge(alpha=2.0).fit(rotated[0], targets).predict(rotated[1]), whole, rtol=1e-8, atol=1e-10)


def test_rotation_to_the_training_images_loses_nothing() -> None:
    assert keeps_what_ridge_needs(reconstruction.compact)
    assert reconstruction.compact(DRAW.normal(size=(20, 50)))[0].shape == (20, 19)


def test_a_rotation_that_drops_half_the_directions_is_noticed() -> None:
    assert not keeps_what_ridge_needs(lambda *parts: [part[:, ::2] for part in reconstruction.compact(*parts)])


def decoded(read: Callable[[Any], Any]) -> Any:
    """A member whose pool leaves of each image what a function says; before it, the image stands in full, mixed."""
    mixing = DRAW.normal(size=(12, 20))

    def layers(count: int) -> tuple[Split, Mapping[str, Any]]:
        images = DRAW.normal(size=(count, 3, 4, 1)).astype("f4")
        flat = images.reshape(count, -1).astype("f8")
        return Split(images, np.zeros(count, np.int32)), {"act1": flat @ mixing, "pool_after1": read(flat)}

    (train, on_train), (test, on_test) = layers(200), layers(300)
    return SimpleNamespace(network=GRAPH, train=train, test=test, on_train=on_train, on_test=on_test)


@pytest.mark.parametrize(
    ("read", "kept"), [(lambda flat: flat[:, :3], 0.25), (np.zeros_like, 0.0), (lambda flat: 2 - 5 * flat, 1.0)]
)
def test_the_share_of_the_image_that_a_pool_keeps_is_found(read: Callable[[Any], Any], kept: float) -> None:
    """Three of twelve independent pixels are a quarter of the variance."""
    found = reconstruction.probe(decoded(read))
    assert found["first/before"] == pytest.approx(1, abs=1e-6)
    assert found["first/after"] == pytest.approx(kept, abs=0.06)
    assert found["first/drop"] == pytest.approx(1 - kept, abs=0.06)


def test_images_in_another_order_than_their_features_are_noticed() -> None:
    made = decoded(lambda flat: DRAW.permutation(flat))
    assert reconstruction.probe(made)["first/after"] < 0.1


# -------------------------------------------------------------------------------------------------- rank and saturation


def slow_spectrum(samples: Any) -> Any:
    """Eigenvalues of the covariance, summed up sample by sample."""
    mean = sum(samples) / len(samples)
    covariance = sum(np.outer(row - mean, row - mean) for row in samples) / len(samples)
    return np.sort(np.linalg.eigvals(covariance).real)[::-1]


def check_spectrum(spectrum: Callable[[Any], Any]) -> bool:
    """Many samples of few units, far from the origin, and few of many."""
    tall, wide = DRAW.normal(size=(40, 5)) * [5, 4, 3, 2, 1] + 100, DRAW.normal(size=(4, 9)) + 100
    oracle = slow_spectrum(wide)
    found = spectrum(wide)
    return np.allclose(spectrum(tall), slow_spectrum(tall)) and np.allclose(found[:3], oracle[:3]) and found[3] == 0


def test_the_spectrum_is_that_of_the_covariance() -> None:
    assert check_spectrum(centred_spectrum)


def test_a_spectrum_about_the_origin_is_noticed() -> None:
    assert not check_spectrum(lambda samples: np.linalg.svd(samples, compute_uv=False) ** 2 / len(samples))


def test_effective_rank_of_known_spectra() -> None:
    assert effective_rank(np.ones(7)) == pytest.approx(7)
    assert effective_rank(np.array([5.0, 0, 0])) == pytest.approx(1)
    assert effective_rank(np.array([3.0, 1.0])) == pytest.approx(4 / 3**0.75)  # entropy log 4 - 3/4 log 3
    assert effective_rank(np.zeros(3)) == 0
    assert effective_rank(10 * np.array([3.0, 1.0])) == pytest.approx(effective_rank(np.array([3.0, 1.0])))


def slow_saturation(eigenvalues: Any, dimensions: int) -> float:
    """Add eigenvalues up, one by one."""
    kept = next(n for n in range(1, len(eigenvalues) + 1) if sum(eigenvalues[:n]) >= 0.99 * sum(eigenvalues))
    return kept / dimensions


def test_saturation_is_the_share_of_directions_with_99_percent() -> None:
    for _ in range(20):
        values = np.sort(DRAW.exponential(size=12) ** 3)[::-1]
        assert saturation(values, 16) == slow_saturation(values, 16)
    assert saturation(np.array([98.0, 2.0, 0.0, 0.0]), 4) == 0.5
    assert saturation(np.array([100.0, 0.0]), 2) == 0.5
    assert saturation(np.zeros(2), 2) == 0


def test_positions_are_samples_of_channels() -> None:
    assert units(np.zeros((5, 3, 2, 7), np.float32)).shape == (30, 7)
    assert units(np.zeros((5, 7), np.float32)).shape == (5, 7)
