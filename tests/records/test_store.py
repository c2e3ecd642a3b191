"""Records: written once and whole, read back equal, and anything else refused by name."""

import dataclasses
import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnlab.files import FileError, read_regular
from cnnlab.records import RecordError, Store
from cnnlab.records.coding import decode, encode
from cnnlab.spec.arm import HASH_DIGITS, digest
from cnnlab.spec.curve import AtRate
from cnnlab.spec.record import PROTOCOL, Measured, Record

FINALS = AtRate(
    learning_rate=0.1,
    test_accuracy=(0.9, 0.1),
    test_loss=(0.25, None),
    validation_accuracy=(0.875, 0.1),
    train_loss=(0.125, None),
    diverged=(False, True),
)
CONFIG: dict[str, Any] = {"net": {"depth": 2}, "recipe": {}, "task": {"dials": []}}
RECORD = Record(
    protocol=PROTOCOL,
    arm=f"digits12-tiny-{digest(CONFIG)[:HASH_DIGITS]}",
    config=CONFIG,
    members=(0, 1),
    rates=(FINALS, dataclasses.replace(FINALS, learning_rate=0.2)),
    test_images=40,
    linear_accuracy=(0.3,),
    histories=({"images_seen": [1, 2], "loss/train": [1.5, None]}, {}),
    probes=({"edge_index/share": 0.25, "linear_probe/pool_after2/drop": -0.125}, {}),
    geometry=Measured(params=10, macs=20, receptive_field=(3, 3), output_size=(6, 6), activation_elements=30),
    claims={"mp-after-two-convs": "abc"},
)


def test_a_record_comes_back_equal_and_equal_records_have_equal_bytes(tmp_path: Path) -> None:
    assert decode(encode(RECORD), tmp_path) == RECORD
    reordered = dataclasses.replace(RECORD, config=dict(reversed(RECORD.config.items())))
    assert encode(reordered) == encode(RECORD)


def test_written_once_and_never_edited(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    assert not store.has(RECORD.arm)
    store.write(RECORD, {"host": "a"})
    store.write(dataclasses.replace(RECORD, members=(2, 3)), {"host": "b"})
    assert store.read(RECORD.arm) == RECORD
    assert store.provenance(RECORD.arm)["host"] == "a"
    assert [path.name for path in store.root.iterdir()] == [RECORD.arm]


def test_setting_aside_keeps_the_old_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(RECORD, {})
    aside = store.set_aside(RECORD.arm)
    assert aside is not None
    assert not store.has(RECORD.arm)
    assert decode((aside / "record.json").read_bytes(), aside) == RECORD
    assert store.set_aside(RECORD.arm) is None


def as_it_was(place: Path) -> None:
    (place / "record.json").unlink()


def as_a_folder(place: Path) -> None:
    (place / "record.json").unlink()
    (place / "record.json").mkdir()


def as_a_dangling_link(place: Path) -> None:
    (place / "record.json").unlink()
    (place / "record.json").symlink_to(place / "nowhere")


def as_a_pipe(place: Path) -> None:
    (place / "record.json").unlink()
    os.mkfifo(place / "record.json")


def with_a_foreign_file(place: Path) -> None:
    (place / "record.json").unlink()
    (place / "mine.txt").write_text("kept")


@pytest.mark.parametrize("free", [as_it_was, as_a_folder, as_a_dangling_link, as_a_pipe, with_a_foreign_file])
def test_a_place_without_a_record_can_be_written_again_and_what_lay_there_is_kept(
    free: Callable[[Path], None], tmp_path: Path
) -> None:
    store = Store(tmp_path)
    place = store.write(RECORD, {"host": "a"})
    free(place)
    assert not store.has(RECORD.arm)
    store.write(RECORD, {"host": "b"})
    assert store.read(RECORD.arm) == RECORD
    assert store.provenance(RECORD.arm)["host"] == "b"
    (aside,) = place.parent.glob(f"{RECORD.arm}.aside-*")
    assert json.loads((aside / "provenance.json").read_text())["host"] == "a"


def test_twin_without_freeing_a_leftover_file_stops_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    as_it_was(store.write(RECORD, {}))
    monkeypatch.setattr(Store, "_free", lambda self, place: None)
    with pytest.raises(OSError, match="not empty"):
        store.write(RECORD, {})


def test_a_record_that_another_writer_puts_in_place_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.write(RECORD, {"host": "a"})
    monkeypatch.setattr(Store, "has", lambda self, arm: False)  # it looked before the other one wrote
    store.write(dataclasses.replace(RECORD, members=(2, 3)), {"host": "b"})
    assert store.read(RECORD.arm) == RECORD
    assert store.provenance(RECORD.arm)["host"] == "a"


def test_checkpoints_go_with_the_record_and_those_of_another_arm_stay(tmp_path: Path) -> None:
    store, one = Store(tmp_path), RECORD
    own, other = store.checkpoints(one.arm), store.checkpoints(f"{one.arm}-other")
    for folder in (own, other):
        (folder / "run").mkdir(parents=True)
    store.write(one, {})
    assert not own.exists()
    assert other.exists()
    own.mkdir()  # the writer was killed in between
    store.tidy(one.arm)
    assert not own.exists()
    assert store.has(one.arm)


def test_a_failure_leaves_its_reason_and_makes_way_for_the_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.write_failure(RECORD.arm, "out of memory")
    assert path.read_text() == "out of memory"
    assert not store.has(RECORD.arm)
    store.write(RECORD, {})
    assert store.read(RECORD.arm) == RECORD
    assert not path.exists()


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "a key missing": lambda content: content.replace(b',"test_images":40', b""),
    "a key too many": lambda content: content.replace(b'"test_images":40', b'"test_images":40,"extra":1'),
    "a number as text": lambda content: content.replace(b'"test_images":40', b'"test_images":"40"'),
    "a flag as a number": lambda content: content.replace(b'"diverged":[false', b'"diverged":[0'),
    "a probe that is not a number": lambda content: content.replace(
        b'"edge_index/share":0.25', b'"edge_index/share":null'
    ),
    "not a number": lambda content: content.replace(b'"learning_rate":0.1', b'"learning_rate":NaN'),
    "a number edited": lambda content: content.replace(b"0.875", b"0.975"),
    "another arm": lambda content: content.replace(b'"arm":"digits12', b'"arm":"digits13'),
    "another protocol": lambda content: content.replace(b'"protocol":%d' % PROTOCOL, b'"protocol":999'),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_record_is_refused_by_name(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path)
    place = store.write(RECORD, {}) / "record.json"
    damaged = DAMAGE[name](place.read_bytes())
    assert damaged != encode(RECORD)
    place.write_bytes(damaged)
    with pytest.raises(RecordError) as caught:
        store.read(RECORD.arm)
    assert str(place) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_record_of_protocol_1_is_refused_for_its_protocol_and_not_for_its_shape(tmp_path: Path) -> None:
    """It has no probes; what the reader needs to hear is its age."""
    store = Store(tmp_path)
    place = store.write(RECORD, {}) / "record.json"
    old = json.loads(place.read_bytes())
    del old["probes"]
    place.write_text(json.dumps(old | {"protocol": 1}))
    with pytest.raises(RecordError, match=f"was made by protocol 1, this code is protocol {PROTOCOL}"):
        store.read(RECORD.arm)
    place.write_text(json.dumps(old))
    with pytest.raises(RecordError, match=r"record needs exactly the keys .*probes"):
        store.read(RECORD.arm)


WRITER = """
import dataclasses, itertools, sys
from pathlib import Path
from typing import Any
sys.path.insert(0, {tests!r})
from test_store import RECORD
from cnnlab.records import Store
from cnnlab.records.coding import encode
{sabotage}
store = Store(Path({root!r}))
print("ready", flush=True)
for number in itertools.count():
    history = {{"x": list(range(20000))}}
    record = dataclasses.replace(RECORD, arm=f"{{number}}-{{RECORD.arm}}", histories=(history, history))
    store.write(record, {{"n": number}})
"""

SABOTAGE = """
import time
import cnnlab.records.store as module
def slow_in_place(self, record, provenance):
    place = self.folder(record.arm)
    place.mkdir(parents=True)
    with (place / "record.json").open("wb", buffering=0) as file:
        content = encode(record)
        for start in range(0, len(content), 4096):
            file.write(content[start : start + 4096])
    (place / "provenance.json").write_text("{}")
module.Store.write = slow_in_place
"""


def torn_after_kills(root: Path, sabotage: str, kills: int) -> int:
    """Records that cannot be read (or lack their provenance) after a writer was killed at several instants."""
    torn = 0
    for kill in range(kills):
        here = root / str(kill)
        code = WRITER.format(tests=str(Path(__file__).parent), root=str(here), sabotage=sabotage)
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.05 + 0.011 * kill)
            writer.kill()
        store = Store(here)
        for folder in here.iterdir():
            if store.has(folder.name) and not folder.name.startswith("."):
                try:
                    store.read(folder.name)
                    torn += not (store.folder(folder.name) / "provenance.json").is_file()
                except RecordError:
                    torn += 1
    return torn


@pytest.mark.slow
def test_kill_at_any_instant_leaves_no_torn_record(tmp_path: Path) -> None:
    assert torn_after_kills(tmp_path, "", kills=6) == 0


@pytest.mark.slow
def test_a_writer_in_place_is_torn_by_a_kill(tmp_path: Path) -> None:
    """The twin: the same kills find a writer that writes where it reads."""
    assert torn_after_kills(tmp_path, SABOTAGE, kills=12) > 0


def test_of_two_writers_at_once_the_first_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another writer's record appears between the look and the rename: the kernel refuses, the first stays."""
    store = Store(tmp_path)
    rename = Path.rename

    def late(self: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        Store(tmp_path).write(RECORD, {"first": True})
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    store.write(dataclasses.replace(RECORD, members=(7, 8)), {"first": False})
    assert store.read(RECORD.arm) == RECORD
    assert os.listdir(tmp_path) == [RECORD.arm]  # noqa: PTH208


def changed(**values: Any) -> Record:
    """The record with other results at its first rate."""
    return dataclasses.replace(RECORD, rates=(dataclasses.replace(FINALS, **values), *RECORD.rates[1:]))


INCONSISTENT = {
    "must lie between 0 and 1": changed(test_accuracy=(7.0, 0.1)),
    "whole images of 40, not 0.91": changed(test_accuracy=(0.91, 0.1)),
    "whole images of 40, not 0.3333": changed(test_accuracy=(0.9, 1 / 3)),
    "rates\\[0\\].diverged has 1 entries for 2 members": changed(diverged=(False,)),
    "learning rates that ascend": dataclasses.replace(RECORD, rates=(FINALS, FINALS)),
    "learning rates that ascend, not \\[\\]": dataclasses.replace(RECORD, rates=()),
    "histories has 1 entries for 2 members": dataclasses.replace(RECORD, histories=({},)),
    "must be distinct seeds": dataclasses.replace(RECORD, members=(0, 0)),
    "at least one, not \\[\\]": dataclasses.replace(RECORD, members=()),
    "at least one, not \\[-1, 0\\]": dataclasses.replace(RECORD, members=(-1, 0)),
    "at least one, not \\[0, 4294967296\\]": dataclasses.replace(RECORD, members=(0, 2**32)),
    "another hash": dataclasses.replace(RECORD, config={**CONFIG, "net": {"depth": 3}}),
    "at least one parameter": dataclasses.replace(RECORD, geometry=dataclasses.replace(RECORD.geometry, params=0)),
}


@pytest.mark.parametrize("why", INCONSISTENT)
def test_a_record_that_contradicts_itself_or_its_arm_is_refused(why: str, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=why):
        decode(encode(INCONSISTENT[why]), tmp_path)


def test_an_accuracy_counts_whole_images_or_is_chance_of_a_lost_member(tmp_path: Path) -> None:
    """Also where a processor divides in float32."""
    config = {**CONFIG, "task": {"classes": 3}}
    own = dataclasses.replace(RECORD, config=config, arm=f"x-{digest(config)[:HASH_DIGITS]}", test_images=3000)
    rates = [dataclasses.replace(at, test_accuracy=(float(np.float32(1499 / 3000)), 1 / 3)) for at in RECORD.rates]
    right = dataclasses.replace(own, rates=tuple(rates), test_images=3001)
    with pytest.raises(RecordError, match=r"whole images of 3001, not 0\.49966"):
        decode(encode(right), tmp_path)
    right = dataclasses.replace(right, test_images=3000)
    assert decode(encode(right), tmp_path) == right
    odd = [dataclasses.replace(at, test_accuracy=(0.0, 1 / 3)) for at in RECORD.rates]
    lost = dataclasses.replace(own, rates=tuple(odd), test_images=7)
    assert decode(encode(lost), tmp_path) == lost, "1 of 3 is no count of 7, but chance"
    found = [dataclasses.replace(at, diverged=(True, False)) for at in odd]
    with pytest.raises(RecordError, match="whole images of 7"):
        decode(encode(dataclasses.replace(lost, rates=tuple(found))), tmp_path)


def test_twin_types_alone_let_a_contradiction_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnnlab.records.coding.require_consistent", lambda record: None)
    wrong = changed(test_accuracy=(7.0, 0.1))
    assert decode(encode(wrong), tmp_path) == wrong


def test_a_compact_record_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    path = store.publish(RECORD, {})
    path.write_bytes(gzip.compress(b" " * 10_000_000))
    monkeypatch.setattr("cnnlab.records.store.MOST_BYTES", 1_000_000)
    with pytest.raises(RecordError, match="unpacks to more than 1000000 bytes"):
        store.read(RECORD.arm)


def test_a_link_in_place_of_a_lease_is_not_followed(tmp_path: Path) -> None:
    store, victim = Store(tmp_path / "runs"), tmp_path / "victim.txt"
    victim.write_text("precious")
    lease = store.take(RECORD.arm)
    assert lease is not None
    place = lease.path
    lease.release()
    place.symlink_to(victim)
    with pytest.raises(RecordError, match="no regular file"):
        store.take(RECORD.arm)
    assert victim.read_text() == "precious"


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def bytes_of_no_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")


def deep_json(path: Path) -> None:
    path.write_text("[" * 100_000)


def test_what_is_no_regular_file_leaves_no_file_open(tmp_path: Path) -> None:
    a_folder(tmp_path / "folder")
    a_pipe(tmp_path / "pipe")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("folder", "pipe"):
        with pytest.raises(FileError, match="no regular file"):
            read_regular(tmp_path / name, 100)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_place_that_another_writer_frees_meanwhile_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    as_it_was(store.write(RECORD, {}))

    def gone(place: Path) -> Path:
        shutil.rmtree(place)
        raise FileNotFoundError(place)

    monkeypatch.setattr("cnnlab.records.store._move_aside", gone)
    store.write(RECORD, {})
    assert store.read(RECORD.arm) == RECORD


@pytest.mark.parametrize("planted", [a_folder, a_pipe, bytes_of_no_text, deep_json])
def test_a_provenance_that_cannot_be_read_says_nothing_and_stops_nothing(
    planted: Callable[[Path], None], tmp_path: Path
) -> None:
    store = Store(tmp_path)
    path = store.write(RECORD, {}) / "provenance.json"
    path.unlink()
    planted(path)
    assert store.provenance(RECORD.arm) == {}
    assert store.read(RECORD.arm) == RECORD
