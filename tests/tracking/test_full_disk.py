"""A disk that is full, really: a small file system, or one that fills up while runs are written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import logging, os, pathlib, sys

folder = pathlib.Path(os.environ["FOLDER"])
assert os.system(f"mount -t tmpfs -o size={os.environ['SIZE']} tmpfs {folder}") == 0
logging.basicConfig(level=logging.WARNING, format="%(message)s")
from cnnlab.tracking import TrackedRun, mirror, tracker

if os.environ["FILLS"]:
    mirror.SPACE = 0  # the space is there when the run begins, and gone before it ends
    (folder / "ballast").write_bytes(bytes(int(os.environ["FILLS"])))
mirrored = tracker("offline", folder / "tracked")
for place in range(3):
    mirrored.log(TrackedRun(id=f"a{place}", name="a", group="a", job_type="a", config={"long": "x" * 2_000_000}))
mirrored.close()
print("trained on")
"""


def mountable(tmp_path: Path) -> bool:
    """Whether this process may mount a file system."""
    if shutil.which("unshare") is None:
        return False
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(("size", "fills"), [("400k", ""), ("24m", str(24 * 2**20 - 2**16))])
def test_a_full_disk_costs_one_line_and_the_dashboard(size: str, fills: str, tmp_path: Path) -> None:
    if not mountable(tmp_path):
        pytest.skip("needs unshare and the right to mount a file system")
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", PROGRAM],
        env=os.environ | {"FOLDER": str(tmp_path), "SIZE": size, "FILLS": fills, "HOME": str(tmp_path.parent)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    assert done.stdout == "trained on\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith("W&B offline: run a0 is not mirrored, its record is safe")
