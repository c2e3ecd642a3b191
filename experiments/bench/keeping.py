"""What a run leaves behind: one JSON document, every sample as CSV, and the figure, in a folder of the device."""

import csv
import dataclasses
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnnlab.spec.arm import plain
from experiments.bench import cells, report
from experiments.bench.cells import Cell
from experiments.bench.contract import Machine
from experiments.bench.measuring import Failure, Found, Gated, Sample
from experiments.timing.timings import device_name, folder, slug
from experiments.training.provenance import git_state, versions

OPTIONAL = ("torch", "triton")


@dataclass
class Outcome:
    """What has been found so far.

    Attributes:
        device: its name. settings: of the run. started: UTC time. skipped: why, by contender.
    """

    device: str
    settings: Mapping[str, Any]
    started: str
    skipped: Mapping[str, str]
    samples: list[Sample] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    gates: dict[str, Mapping[str, bool]] = field(default_factory=dict)

    def add(self, found: Found) -> None:
        """Take in one more thing."""
        match found:
            case Sample():
                self.samples.append(found)
            case Failure():
                self.failures.append(found)
            case Gated():
                self.gates[found.workload] = {**self.gates.get(found.workload, {}), **found.passed}

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Medians of all that was sampled."""
        return cells.cells(self.samples)

    def document(self) -> dict[str, Any]:
        """All of it as plain data."""
        found = self.cells
        return {
            "device": self.device,
            "versions": installed(),
            "started": self.started,
            "git": git_state(),
            "settings": dict(self.settings),
            "skipped": dict(self.skipped),
            "cells": plain(found),
            "ratios": cells.ratios(found),
            "gates": plain(self.gates),
            "failures": plain(self.failures),
        }


def place(device: str) -> Path:
    """Folder of a device's results."""
    return folder() / "bench" / slug(device)


def write(outcome: Outcome, name: str) -> Path:
    """Put the document and the samples in place of earlier ones of that name; returns the folder."""
    into = place(outcome.device)
    into.mkdir(parents=True, exist_ok=True)
    draft = into / f".{name}-{os.getpid()}"
    draft.write_text(json.dumps(outcome.document(), indent=1, allow_nan=False) + "\n")
    draft.replace(into / f"{name}.json")
    with draft.open("w", newline="") as file:
        rows = csv.DictWriter(file, [one.name for one in dataclasses.fields(Sample)], lineterminator="\n")
        rows.writeheader()
        rows.writerows(dataclasses.asdict(sample) for sample in outcome.samples)
    draft.replace(into / f"{name}.csv")
    return into


def draw(outcome: Outcome, name: str) -> Path:
    """Draw the figure beside the document; returns its path."""
    return report.draw(outcome.cells, outcome.device, place(outcome.device) / f"{name}.png")


def device(machine: Machine) -> str:
    """The machine's name: what computes, and on how many cores if it is a CPU."""
    if machine.kind == "gpu":
        return device_name("gpu")
    return device_name("cpu").replace("1 thread", f"{machine.cores} {'core' if machine.cores == 1 else 'cores'}")


def installed() -> dict[str, str]:
    """Versions of Python and of what competes."""
    found = {"python": platform.python_version(), **versions()}
    for name in OPTIONAL:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def kept(path: Path) -> Sequence[Sample]:
    """The samples that `write` wrote."""
    with path.open(newline="") as file:
        return [
            Sample(
                workload=row["workload"],
                contender=row["contender"],
                metric=row["metric"],
                round=int(row["round"]),
                value=float(row["value"]),
            )
            for row in csv.DictReader(file)
        ]
