"""Run README's sweep at scale smoke and put what it prints into README: `.venv/bin/python .ci/smoke_output.py`."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from experiments.reports.front_page import with_block

ROOT = Path(__file__).parents[1]
COMMAND = ("-m", "experiments.run", "+sweep=pool_position", "scale=smoke", "tracker=off")
WIDTH = 100
FIRST, LAST = 1, 4
"""Lines that are kept of each end, where there are more."""


def shortened(printed: str) -> str:
    """The end of a run, cut at the right, with the middle left out where it is long."""
    lines = [line.rstrip()[:WIDTH].rstrip() for line in printed.splitlines()]
    end = [line for line in lines[next(at for at, line in enumerate(lines) if line.startswith("trained ")) :] if line]
    return "\n".join(end if len(end) <= FIRST + LAST else [*end[:FIRST], "...", *end[-LAST:]])


def main() -> None:
    """Run it in an empty folder, with the cache of its own user."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "COLUMNS": str(WIDTH), "CNNLAB_RESULTS": "results"}
        command = [sys.executable, *COMMAND]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    readme = ROOT / "README.md"
    block = f"```\n{shortened(done.stdout)}\n```"
    readme.write_text(with_block(readme.read_text(), "smoke", block))


if __name__ == "__main__":
    main()
