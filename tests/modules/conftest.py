"""Nets as users have them, and arms of them that train in seconds."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cnnlab.modules.source import sources
from cnnlab.spec.own_module import OwnModule, arguments

STRANGERS = Path(__file__).parent / "strangers"
Written = Callable[..., OwnModule]


@pytest.fixture(autouse=True)
def strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The strangers' folder is one that Python looks in."""
    monkeypatch.syspath_prepend(str(STRANGERS))


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    """Write a file of a net, under a name that no other has, and name its function: `written(text, width=4)`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    names: list[str] = []

    def write(text: str, function: str = "make", **args: object) -> OwnModule:
        name = f"written_{tmp_path.name}_{len(names)}".replace("-", "_")
        names.append(name)
        (tmp_path / f"{name}.py").write_text(f"import jax\nimport jax.numpy as jnp\nfrom flax import nnx\n\n{text}")
        return own(f"{name}:{function}", **args)

    yield write
    for name in names:
        sys.modules.pop(name, None)


def own(make: str, **args: object) -> OwnModule:
    return OwnModule(make=make, args=arguments(args), sources=sources(make))
