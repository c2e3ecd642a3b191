"""Split a record into one record a member, for trackers that group runs themselves."""

import dataclasses
from typing import Any

from cnnlab.spec.record import Finals, Record


def each(record: Record) -> tuple[Record, ...]:
    """The same record once a member, in their order; everything else stays as it is."""
    return tuple(
        dataclasses.replace(
            record,
            members=(seed,),
            finals={rate: _alone(finals, place) for rate, finals in record.finals.items()},
            histories=record.histories[place : place + 1],
            probes=record.probes[place : place + 1],
        )
        for place, seed in enumerate(record.members)
    )


def _alone(finals: Finals, place: int) -> Finals:
    """Finals of the member at one place."""
    values = {item.name: getattr(finals, item.name) for item in dataclasses.fields(finals)}
    own: dict[str, Any] = {name: (value[place],) for name, value in values.items() if isinstance(value, tuple)}
    return dataclasses.replace(finals, **own)
