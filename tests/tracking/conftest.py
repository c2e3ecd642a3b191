"""A W&B server on loopback, records to track, and a way to read back what was tracked."""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cnnlab.spec.record import Finals, Measured, Record, Tried, Tuning


class StandIn(ThreadingHTTPServer):
    """Answers what W&B's client asks while it starts and fills a run, and keeps what it was sent.

    Attributes:
        runs: what each run was created with, by id.
        streamed: what each run's file stream was sent, by id.
        refuse_queries, refuse_streams: an HTTP status to answer with instead.
        hits: number of requests of any kind.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.runs: dict[str, dict[str, Any]] = {}
        self.streamed: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.refuse_queries: int | None = None
        self.refuse_streams: int | None = None
        self.hits = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def history(self, run: str) -> list[dict[str, Any]]:
        """Rows that a run logged, in order."""
        chunks = [chunk["files"] for chunk in self.streamed[run] if "files" in chunk]
        lines = [line for files in chunks if (part := files.get("wandb-history.jsonl")) for line in part["content"]]
        return [json.loads(line) for line in lines]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the server."""


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def log_message(self, format: str, *args: Any) -> None:  # the name is http.server's
        """Nothing on the terminal."""

    def do_GET(self) -> None:
        self.answer({})

    def do_PUT(self) -> None:
        self.body()
        self.answer({})

    def do_POST(self) -> None:
        body = self.body()
        if "/file_stream" in self.path:
            if self.server.refuse_streams:
                return self.answer({}, self.server.refuse_streams)
            self.server.streamed[self.path.split("/")[-2]].append(json.loads(body))
            return self.answer({"exitcode": None, "limits": {}})
        if self.server.refuse_queries:
            return self.answer({"errors": [{"message": "refused"}]}, self.server.refuse_queries)
        if not self.path.endswith("/graphql"):
            return self.answer({})
        query = json.loads(body)
        operation = query["operationName"] if "operationName" in query else query["query"].split("(")[0].split()[1]
        return self.answer({"data": self.queried(operation, query.get("variables", {}))})

    def queried(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Data of one GraphQL operation."""
        project = {"id": "P", "name": "cnnlab", "entity": {"id": "E", "name": "me"}}
        if operation == "Viewer":
            return {"viewer": {"id": "u", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}}
        if operation == "UpsertBucket":
            self.server.runs.setdefault(variables["name"], variables)
            bucket = {"id": "B", "name": variables["name"], "config": "{}", "project": project}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if operation == "RunResumeStatus":
            return {"model": project | {"bucket": None}}
        if operation == "CreateRunFiles":
            files = [{"name": name, "uploadUrl": f"{self.server.url}/{name}"} for name in variables["files"]]
            return {"createRunFiles": {"runID": "R", "uploadHeaders": [], "files": files}}
        return {}

    def body(self) -> bytes:
        content = self.rfile.read(int(self.headers["Content-Length"] or 0))
        return gzip.decompress(content) if self.headers["Content-Encoding"] == "gzip" else content

    def answer(self, content: dict[str, Any], status: int = 200) -> None:
        self.server.hits += 1
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A running stand-in that W&B takes for its server, and a key for it."""
    with StandIn() as stand_in:
        thread = threading.Thread(target=stand_in.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        monkeypatch.setenv("WANDB_BASE_URL", stand_in.url)
        monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
        yield stand_in
        stand_in.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _home_of_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep W&B away from this user's settings, keys and folders, and stop its service afterwards."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for place in ("CONFIG", "CACHE", "DATA", "ARTIFACT"):
        monkeypatch.setenv(f"WANDB_{place}_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    yield
    if "wandb" in sys.modules:
        sys.modules["wandb"].teardown()


def example(arm: str = "digits12-convnet-0123456789", offset: float = 0.0) -> Record:
    """Three members of which the first diverges; `offset` tells two records apart in every loss and norm."""
    finals = Finals(
        learning_rate=0.1,
        test_accuracy=(0.1, 0.7, 0.8),
        test_loss=(None, 0.75, 0.25),
        validation_accuracy=(0.1, 0.5, 0.6),
        train_loss=(None, 0.5, 0.25),
        diverged=(True, False, False),
    )
    common = Finals(**{**vars(finals), "learning_rate": 0.05, "diverged": (False,) * 3})
    tried = Tried(learning_rate=0.1, validation_accuracy=(0.5,), diverged=(False,))
    losses: list[list[float | None]] = [[4.0, None], [2.0, 1.0], [3.0, 0.5]]
    histories = tuple(
        {
            "images_seen": [100, 200],
            "loss/train": [loss if loss is None else loss + offset for loss in losses[member]],
            "accuracy/validation": [None, 0.25 * member],
            "stats": {
                "images_seen": [0, 50, 200],
                "grad_norm/conv1/kernel": [1.0 + member + offset, 4.0 + offset, None],
                "log2_histogram/conv1/kernel": [[member, 1, *[0] * 48], [0, 3, *[0] * 48], [5, *[0] * 49]],
            },
        }
        for member in range(3)
    )
    return Record(
        protocol=1,
        arm=arm,
        block=1,
        config={"net": {"width": 8}, "recipe": {"epochs": 2}, "task": {"name": "digits12"}},
        members=(12, 13, 14),
        finals={"own": finals, "common": common},
        histories=histories,
        probes=({}, {"edge_index/share": 0.25}, {"edge_index/share": 0.75, "pair_auc/auc": 0.5}),
        geometry=Measured(params=10, macs=20, receptive_field=(5, 7), output_size=(2, 3), activation_elements=9),
        tuning=Tuning(seeds=(1_000_000,), tried=(tried,), chosen=0.1, capped=True, linear_accuracy=(0.4,)),
    )


@pytest.fixture
def make() -> Callable[..., Record]:
    """The maker of example records."""
    return example


@dataclass(kw_only=True)
class Seen:
    """One offline run, read back entry by entry."""

    run: dict[str, Any]
    exit_code: int
    history: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    summary: dict[str, Any] = field(default_factory=dict)


def leet(*arguments: str) -> str:
    """What W&B's own reader says about an offline run."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def read(folder: Path) -> Seen:
    """Read one offline run. A run entry or an exit that stands there twice fails here."""
    entries = [json.loads(line) for line in leet(str(folder)).splitlines()]
    (run,) = [entry["run"] for entry in entries if entry["type"] == "run"]
    (end,) = [entry["exit"] for entry in entries if entry["type"] == "exit"]
    seen = Seen(
        run=run,
        exit_code=end["exit_code"],
        history=[entry["history"]["item"] for entry in entries if entry["type"] == "history"],
        metrics=[entry["metric"] for entry in entries if entry["type"] == "metric"],
    )
    for entry in entries:
        if entry["type"] == "summary":
            seen.summary |= entry["summary"]["update"]
    return seen


@pytest.fixture
def inspect() -> Callable[[Path], list[Seen]]:
    """Read all offline runs below a tracker's directory, in the order they were made."""

    def runs(directory: Path) -> list[Seen]:
        files = (directory / "wandb").glob("offline-run-*/run-*.wandb")
        seen = [read(file.parent) for file in files]
        return sorted(seen, key=lambda run: str(run.run["start_time"]))

    return runs


@pytest.fixture
def totals() -> Callable[[Path], dict[str, Any]]:
    """What `wandb leet` shows of the one offline run below a tracker's directory."""

    def whole(directory: Path) -> dict[str, Any]:
        (folder,) = (directory / "wandb").glob("offline-run-*")
        shown: dict[str, Any] = json.loads(leet("--summary", str(folder)))
        return shown

    return whole
