"""Records small enough to be kept in git: histories thinned to what is read again, and gzip that is always the same."""

import dataclasses
import gzip
import io
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from cnnlab.records.coding import RecordError
from cnnlab.spec.record import Record

SEEN, ACCURACY = "images_seen", "accuracy/"
STATS = "stats"
"""Where a member's history has its statistics: `<statistic>/<layer>[/<parameter>]`, most of a record's size."""


def thinned(record: Record, statistics: Collection[str]) -> Record:
    """The same record with accuracies and the named statistics alone in its histories; no claim reads losses."""

    def kept(history: dict[str, Any]) -> dict[str, Any]:
        found = history[STATS] if STATS in history else {}
        stats = {path: values for path, values in found.items() if path.partition("/")[0] in statistics}
        accuracies = {name: values for name, values in history.items() if name.startswith(ACCURACY)}
        seen = {SEEN: history[SEEN]} if accuracies else {}
        return {**seen, **accuracies, **({STATS: stats} if stats else {})}

    return dataclasses.replace(record, histories=tuple(map(kept, record.histories)))


def pack(content: bytes) -> bytes:
    """Compress without name or time: the same content gives the same bytes."""
    return gzip.compress(content, compresslevel=9, mtime=0)


def unpack(packed: bytes, path: Path, most_bytes: int) -> bytes:
    """Decompress what `pack` made. Raises RecordError, naming `path`, for anything else or for more bytes."""
    try:
        with gzip.open(io.BytesIO(packed)) as file:
            content = file.read(most_bytes + 1)
    except (OSError, EOFError, zlib.error):
        raise RecordError(path, "is not gzip (cut off, or edited)") from None
    if len(content) > most_bytes:
        raise RecordError(path, f"unpacks to more than {most_bytes} bytes")
    return content
