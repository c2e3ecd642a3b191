"""Without a network an offline tracker asks for no address and waits for nothing: tried in a network of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, logging, os, pathlib, socket, sys, threading, time

asked = []
if os.environ["NETWORK"] != "none":
    # one end of a cable whose other end is connected to nothing: it swallows every packet
    cable = "link add v0 type veth peer name v1, link set v0 up, link set v1 up, addr add 10.9.9.1/24 dev v0"
    way = "neigh add 10.9.9.2 lladdr 02:00:00:00:00:01 dev v0 nud permanent, route add default via 10.9.9.2 dev v0"
    for words in ("link set lo up", *cable.split(", "), *way.split(", ")):
        assert os.system(f"ip {words}") == 0, words
    name_server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    name_server.bind(("127.0.0.1", 53))

    def listen():
        while True:
            asked.append(name_server.recv(512).hex())  # and never answers

    threading.Thread(target=listen, daemon=True).start()
    resolver = pathlib.Path(os.environ["RESOLVER"])
    resolver.write_text("nameserver 127.0.0.1\\noptions attempts:1 timeout:1\\n")
    assert os.system(f"mount --bind {resolver} /etc/resolv.conf") == 0

logging.basicConfig(level=logging.WARNING)
from cnnlab.tracking import TrackedRun, tracker

began = time.monotonic()
mirrored = tracker("offline", pathlib.Path(os.environ["DIRECTORY"]))
mirrored.log(TrackedRun(id="a", name="a", group="a", job_type="a", numbers={"x": 1.0}))
mirrored.close()
tracked = time.monotonic() - began
if os.environ["ASKS"]:
    try:
        socket.getaddrinfo("nowhere.example", 443)
    except OSError:
        pass
print(json.dumps({"seconds": tracked, "asked": len(asked)}))
"""


def isolated() -> bool:
    """Whether this process may make a network of its own."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    probe = ["unshare", "-rnm", "ip", "link", "add", "v0", "type", "veth"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


needs_isolation = pytest.mark.skipif(not isolated(), reason="needs unshare, ip and the right to make a network")


def tracked(tmp_path: Path, network: str, **more: str) -> dict[str, float]:
    """Track a run in a network of its own; seconds that took, and questions that its name server was asked."""
    environment = (
        os.environ
        | {
            "NETWORK": network,
            "DIRECTORY": str(tmp_path / "tracked"),
            "RESOLVER": str(tmp_path / "resolv.conf"),
            "ASKS": "",
        }
        | more
    )
    environment = {name: value for name, value in environment.items() if not name.lower().endswith("_proxy")}
    command = ["unshare", "-rnm", sys.executable, "-c", PROGRAM]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=root, timeout=200)
    assert done.stderr == ""
    assert list((tmp_path / "tracked").rglob("run-a.wandb"))
    found: dict[str, float] = json.loads(done.stdout)
    return found


@needs_isolation
@pytest.mark.parametrize("network", ["none", "swallows every packet"])
def test_an_offline_run_asks_for_no_address_and_waits_for_nothing(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_ERROR_REPORTING")  # the tracker sees to it itself
    found = tracked(tmp_path, network)
    assert found["asked"] == 0
    assert found["seconds"] < 20, "a wait for a name that nobody gives takes longer, twice over"


@needs_isolation
def test_the_check_of_addresses_notices_one_that_is_asked_for(tmp_path: Path) -> None:
    found = tracked(tmp_path, "swallows every packet", ASKS="yes")
    assert found["asked"] > 0
