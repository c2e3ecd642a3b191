"""Compact records: what is read of a record comes back, in bytes that are always the same, and damage is named."""

import dataclasses
import gzip
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnlab.records import RecordError, Store, thinned
from cnnlab.records import store as module
from cnnlab.spec.arm import HASH_DIGITS, digest
from cnnlab.spec.curve import AtRate
from cnnlab.spec.record import PROTOCOL, Measured, Record

HISTORY = {
    "images_seen": [0, 10],
    "loss/train": [1.5, None],
    "stats": {"activation_grad_norm/act1": [0.5, 0.25], "log2_histogram/conv1/kernel": [[1, 2], [2, 1]]},
}
FINALS = AtRate(
    learning_rate=0.1,
    test_accuracy=(0.9,),
    test_loss=(0.25,),
    validation_accuracy=(0.875,),
    train_loss=(0.125,),
    diverged=(False,),
)
CONFIG: dict[str, Any] = {"net": {"depth": 2}}
RECORD = Record(
    protocol=PROTOCOL,
    arm=f"digits12-tiny-{digest(CONFIG)[:HASH_DIGITS]}",
    config=CONFIG,
    members=(0,),
    rates=(FINALS,),
    test_images=40,
    linear_accuracy=(0.3,),
    histories=(HISTORY,),
    probes=({"edge_index/share": 0.25},),
    geometry=Measured(params=1, macs=2, receptive_field=(3, 3), output_size=(6, 6), activation_elements=3),
)


def test_thinned_histories_keep_accuracies_and_the_named_statistics_alone() -> None:
    less = thinned(RECORD, ["activation_grad_norm"])
    assert less.histories == ({"stats": {"activation_grad_norm/act1": [0.5, 0.25]}},)
    assert thinned(RECORD, ["dead_fraction"]).histories == ({},)
    watched = dataclasses.replace(RECORD, histories=({**HISTORY, "accuracy/validation": [0.1, 0.5]},))
    kept = {"images_seen": [0, 10], "accuracy/validation": [0.1, 0.5]}
    assert thinned(watched, ["dead_fraction"]).histories == (kept,)
    assert dataclasses.replace(less, histories=RECORD.histories) == RECORD


def test_a_compact_record_is_found_and_read_like_any_other(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.publish(RECORD, {"backend": "cpu"})
    assert path == tmp_path / RECORD.arm / "record.json.gz"
    assert store.provenance(RECORD.arm) == {"backend": "cpu"}
    assert store.has(RECORD.arm)
    assert store.read(RECORD.arm) == RECORD
    assert list(store.arms()) == [RECORD.arm]
    assert sorted(file.name for file in path.parent.iterdir()) == ["provenance.json", path.name]


def test_published_again_a_record_is_replaced_and_a_whole_one_comes_first(tmp_path: Path) -> None:
    store, other = Store(tmp_path), dataclasses.replace(RECORD, members=(7,))
    store.publish(other, {})
    store.publish(RECORD, {})
    assert store.read(RECORD.arm) == RECORD
    (store.folder(RECORD.arm) / "record.json").write_bytes(module.encode(other))
    assert store.read(RECORD.arm) == other
    assert list(store.arms()) == [RECORD.arm]


Pack = Callable[[bytes], bytes]


def bytes_of(root: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setattr(module, "pack", pack)
    return Store(root).publish(RECORD, {}).read_bytes()


def test_equal_records_give_equal_bytes_whenever_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: gzip as it comes keeps the time of writing."""
    clock = itertools.count(1_000_000.0, 10)
    monkeypatch.setattr("time.time", lambda: next(clock))
    honest = [bytes_of(tmp_path / str(place), module.pack, monkeypatch) for place in (1, 2)]
    assert honest[0] == honest[1]
    as_it_comes = [
        bytes_of(tmp_path / str(place), lambda content: gzip.compress(content), monkeypatch) for place in (3, 4)
    ]
    assert as_it_comes[0] != as_it_comes[1]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda packed: packed[: len(packed) // 2],
    "empty": lambda packed: b"",
    "a byte turned": lambda packed: packed[:60] + bytes([packed[60] ^ 1]) + packed[61:],
    "no gzip": lambda packed: b"{}",
    "another arm": lambda packed: gzip.compress(
        gzip.decompress(packed).replace(b'"arm":"digits12', b'"arm":"digits13')
    ),
    "another protocol": lambda packed: gzip.compress(
        gzip.decompress(packed).replace(b'"protocol":%d' % PROTOCOL, b'"protocol":999')
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_compact_record_is_refused_by_name(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path)
    path = store.publish(RECORD, {})
    path.write_bytes(DAMAGE[name](path.read_bytes()))
    with pytest.raises(RecordError) as caught:
        store.read(RECORD.arm)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
