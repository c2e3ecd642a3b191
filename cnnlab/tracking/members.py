"""Split a record into one record a member, for trackers that group runs themselves."""

import dataclasses
from typing import Any

from cnnlab.spec.curve import AtRate, reading
from cnnlab.spec.record import Record


def each(record: Record) -> tuple[Record, ...]:
    """The same record once a member, in their order, with the one learning rate at which the member is read."""
    return tuple(
        dataclasses.replace(
            record,
            members=(seed,),
            rates=(_alone(record.rates[at], place),),
            histories=record.histories[place : place + 1],
            probes=record.probes[place : place + 1],
        )
        for place, (seed, at) in enumerate(zip(record.members, reading(record.rates), strict=True))
    )


def _alone(at: AtRate, place: int) -> AtRate:
    """The results of the member at one place."""
    values = {item.name: getattr(at, item.name) for item in dataclasses.fields(at)}
    own: dict[str, Any] = {name: (value[place],) for name, value in values.items() if isinstance(value, tuple)}
    return dataclasses.replace(at, **own)
