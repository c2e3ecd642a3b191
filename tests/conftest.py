"""A stand-in for the W&B server on loopback, a home for W&B that is not this user's, and a reader of offline runs."""

import atexit
import gzip
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

# Before JAX starts: a test computes on one thread, as a worker does, and every program is compiled once a session.
if "CNNLAB_TESTS" not in os.environ:  # the workers of pytest-xdist inherit it, and whoever made it takes it away
    os.environ["CNNLAB_TESTS"] = tempfile.mkdtemp(prefix="cnnlab-tests-")
    atexit.register(shutil.rmtree, os.environ["CNNLAB_TESTS"], ignore_errors=True)
SESSION = Path(os.environ["CNNLAB_TESTS"])
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(SESSION / "programs")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

from cnnlab.data.own.picture import ORIENTATION  # noqa: E402
from cnnlab.zoo import native  # noqa: E402


class StandIn(ThreadingHTTPServer):
    """Answers what W&B's client asks to fill a run, to keep files and to save a view, and keeps what it was sent.

    Attributes:
        runs: what each run was last created with, by id. streamed: what each run's file stream was sent, by id.
        files: what was uploaded, by `<run>/<path>`. artifacts, views: what each was created with, in order.
        refuse_queries, refuse_streams: an HTTP status to answer with instead. delay: seconds before every answer.
        hits: number of requests of any kind.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.runs: dict[str, dict[str, Any]] = {}
        self.streamed: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.files: dict[str, bytes] = {}
        self.artifacts: list[dict[str, Any]] = []
        self.views: list[dict[str, Any]] = []
        self.refuse_queries: int | None = None
        self.refuse_streams: int | None = None
        self.delay = 0.0
        self.hits = 0
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def history(self, run: str) -> list[dict[str, Any]]:
        """Rows that a run logged, in order."""
        return [json.loads(line) for line in self._lines(run, "wandb-history.jsonl")]

    def summary(self, run: str) -> dict[str, Any]:
        """The last summary that a run sent."""
        last: dict[str, Any] = json.loads(list(self._lines(run, "wandb-summary.json"))[-1])
        return last

    def _lines(self, run: str, file: str) -> Iterator[str]:
        for chunk in self.streamed[run]:
            if file in chunk.get("files", {}):
                yield from chunk["files"][file]["content"]

    def die(self) -> None:
        """Answer nothing any more, on connections that stand neither."""
        self.ended.set()
        self.shutdown()
        self.server_close()

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
        self.server.files[self.path.lstrip("/")] = self.body()
        self.answer({})

    def do_POST(self) -> None:
        body = self.body()
        if "/file_stream" in self.path:
            if self.server.refuse_streams:
                return self.answer({}, self.server.refuse_streams)
            if not self.server.ended.is_set():
                self.server.streamed[self.path.split("/")[-2]].append(json.loads(body))
            return self.answer({"exitcode": None, "limits": {}})
        if self.server.refuse_queries:
            return self.answer({"errors": [{"message": "refused"}]}, self.server.refuse_queries)
        if not self.path.endswith("/graphql"):
            return self.answer({})
        query = json.loads(body)
        named = re.match(r"\s*(?:query|mutation)\s+(\w+)", query["query"])
        operation = query.get("operationName") or (named[1] if named else "")
        return self.answer({"data": self.queried(operation, query.get("variables") or {})})

    def queried(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Data of one GraphQL operation. An artifact counts as there already, so that its files are not sent."""
        project = {"id": "P", "name": "cnnlab", "entity": {"id": "E", "name": "me"}}
        if operation in ("Viewer", "GetDefaultEntity"):
            return {"viewer": {"id": "u", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}}
        if operation == "UpsertBucket" and not self.server.ended.is_set():
            known = self.server.runs.setdefault(variables["name"], {})
            known |= {name: value for name, value in variables.items() if value is not None}
            bucket = {"id": "B", "name": variables["name"], "config": "{}", "project": project}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if operation == "RunResumeStatus":
            return {"model": project | {"bucket": None}}
        if operation == "CreateRunFiles":
            place = f"{self.server.url}/{variables['run']}"
            files = [{"name": name, "uploadUrl": f"{place}/{name}"} for name in variables["files"]]
            return {"createRunFiles": {"runID": "R", "uploadHeaders": [], "files": files}}
        if operation == "CreateArtifact":
            self.server.artifacts.append(variables["input"])
            sequence = {"id": "S", "latestArtifact": {"id": "L", "versionIndex": 0}}
            artifact = {"id": f"A{len(self.server.artifacts)}", "state": "COMMITTED", "artifactSequence": sequence}
            return {"createArtifact": {"artifact": artifact}}
        if operation == "View":
            named = [view for view in self.server.views if view["name"] == variables["viewName"]]
            nodes = [{"id": "V1", "displayName": view["displayName"], "spec": view["spec"]} for view in named[-1:]]
            return {"project": {"allViews": {"edges": [{"node": node} for node in nodes]}}}
        if operation.startswith("UpsertView"):
            self.server.views.append(variables)
            return {"upsertView": {"view": {"id": "V1", "name": variables["name"]}, "inserted": True}}
        return {}

    def body(self) -> bytes:
        content = self.rfile.read(int(self.headers["Content-Length"] or 0))
        return gzip.decompress(content) if self.headers["Content-Encoding"] == "gzip" else content

    def answer(self, content: dict[str, Any], status: int = 200) -> None:
        self.server.hits += 1
        if self.server.delay:
            self.server.ended.wait(self.server.delay)
        if self.server.ended.is_set():
            self.close_connection = True
            return
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def home_of_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
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


@pytest.fixture
def server(home_of_wandb: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A running stand-in that W&B takes for its server, and a key for it."""
    with StandIn() as stand_in:
        thread = threading.Thread(target=stand_in.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        monkeypatch.setenv("WANDB_BASE_URL", stand_in.url)
        monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
        yield stand_in
        stand_in.die()
        thread.join()


@dataclass(kw_only=True)
class Seen:
    """One offline run, read back entry by entry."""

    run: dict[str, Any]
    exit_code: int
    history: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    artifacts: list[dict[str, Any]]
    summary: dict[str, Any] = field(default_factory=dict)


def leet(folder: Path, *flags: str) -> str:
    """What W&B's own reader, the program behind `wandb leet inspect`, says about an offline run."""
    from wandb.util import get_core_path

    (file,) = folder.glob("run-*.wandb")
    words = ["--no-observability", "--json", *flags, "--run-file", str(file), str(folder.parent)]
    command = [get_core_path(), "leet", "inspect", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def read(folder: Path) -> Seen:
    """Read one offline run. A run entry or an exit that stands there twice fails here."""
    entries = [json.loads(line) for line in leet(folder).splitlines()]
    (run,) = [entry["run"] for entry in entries if entry["type"] == "run"]
    (end,) = [entry["exit"] for entry in entries if entry["type"] == "exit"]
    seen = Seen(
        run=run,
        exit_code=end["exit_code"],
        history=[entry["history"]["item"] for entry in entries if entry["type"] == "history"],
        metrics=[entry["metric"] for entry in entries if entry["type"] == "metric"],
        artifacts=[entry["artifact"] for entry in entries if entry["type"] == "artifact"],
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
        shown: dict[str, Any] = json.loads(leet(folder, "--summary"))
        return shown

    return whole


@pytest.fixture(scope="session", autouse=True)
def absl_closes_nothing() -> None:
    """Hydra closes every log handler when it sets logging up, and absl's then closes its stream: pytest's stderr."""
    from absl.logging import PythonHandler

    PythonHandler.close = logging.Handler.close


@pytest.fixture(autouse=True)
def root_handlers() -> Iterator[None]:
    """Hydra sets the root logger up; what it logs to may be a test's own stderr, which is closed when that is over."""
    before = list(logging.root.handlers)
    yield
    logging.root.handlers[:] = before


@pytest.fixture(scope="session")
def library_file() -> Path:
    """The library of our own convolutions, compiled once a session; skips where it cannot be compiled."""
    try:
        return native.build(SESSION / "native")
    except native.LibraryError as problem:
        pytest.skip(str(problem))


@pytest.fixture(scope="session")
def natively(library_file: Path) -> None:
    """Our own convolutions can be used in this process."""
    native.use(library_file)


def draw_pictures(folder: Path) -> Path:
    """Sixty small pictures of three classes: four formats, many sizes, some turned, grey or transparent."""
    random = np.random.default_rng(0)
    for kind in ("bars", "discs", "noise"):
        (folder / kind).mkdir(parents=True)
        for number in range(20):
            width, height = (int(size) for size in random.integers(12, 40, 2))
            pixels = random.integers(30, 60, (height, width, 3), np.uint8)
            rows, columns = np.mgrid[:height, :width]
            if kind == "bars":
                pixels[:, columns[0] // 3 % 2 == 0] += 150
            elif kind == "discs":
                pixels[np.hypot(rows - height / 2, columns - width / 2) < min(height, width) / 3] += 120
            else:
                pixels = random.integers(0, 256, (height, width, 3), np.uint8)
            image, settings = Image.fromarray(pixels), {}
            if number == 1:
                settings["exif"] = image.getexif()
                settings["exif"][ORIENTATION] = 6
            elif number == 4:
                image = image.convert("L")
            elif number == 8:
                image.putalpha(128)
            image.save(folder / kind / f"{number}{('.png', '.jpg', '.webp', '.tif')[number % 4]}", **settings)
    return folder


@pytest.fixture(scope="session")
def sixty_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures, as a user may have it. Who changes it takes a copy."""
    return draw_pictures(tmp_path_factory.mktemp("pictures") / "shapes")
