"""The probe: an answer in seconds, also where packets are dropped."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from cnnlab import data
from cnnlab.data import Source, connectivity
from cnnlab.spec.task import Task

URLS = ("https://a.invalid/x.gz", "http://b.invalid:8080/y.gz")


@pytest.fixture
def dropping(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int]]]:
    """Make connections hang, as where packets are dropped or a name look-up never ends."""
    asked: list[tuple[str, int]] = []
    over = threading.Event()

    def hang(address: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(address)
        over.wait()  # past every time-out: a probe that waits for it would never return
        raise OSError("over")

    monkeypatch.setattr(socket, "create_connection", hang)
    monkeypatch.setattr(connectivity, "PATIENCE", 0.2)
    yield asked
    over.set()


def test_no_route_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(address: tuple[str, int], timeout: float) -> socket.socket:
        raise socket.gaierror("name or service not known")

    monkeypatch.setattr(socket, "create_connection", refuse)
    assert not connectivity.reachable(URLS)


def test_dropped_packets_are_no(dropping: list[tuple[str, int]]) -> None:
    assert not connectivity.reachable(URLS)
    assert set(dropping) == {("a.invalid", 443), ("b.invalid", 8080)}


def test_one_server_that_answers_is_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = f"http://127.0.0.1:{server.getsockname()[1]}/z.gz"
        assert connectivity.reachable([there])


def test_a_proxy_is_what_is_knocked_at(monkeypatch: pytest.MonkeyPatch, dropping: list[tuple[str, int]]) -> None:
    monkeypatch.setenv("https_proxy", "proxy.invalid:3128")
    connectivity.reachable(["https://a.invalid/x.gz"])
    assert dropping == [("proxy.invalid", 3128)]


@pytest.mark.parametrize("name", ["fashion_mnist", "fashion14", "mnist", "cifar10", "kmnist"])
def test_without_data_and_network_one_line_says_both_ways(
    make_task: Callable[..., Task], nowhere: Source, dropping: list[tuple[str, int]], name: str
) -> None:
    for step in (data.check, data.load):
        with pytest.raises(data.MissingDataError) as caught:
            step(make_task(name), nowhere)
        line = str(caught.value)
        assert "\n" not in line
        for part in (str(nowhere.cache_dir), "run once with a network", "data.raw_dir=DIR"):
            assert part in line
    assert ("dataset-fashion-mnist" in line) == name.startswith("fashion")
    assert not nowhere.cache_dir.exists(), "nothing may be written"
