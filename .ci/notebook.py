"""Make docs/tutorial.ipynb from docs/tutorial.md: the same text, with the repository's root as its folder."""

import json
import sys
from pathlib import Path

import jupytext
from nbformat.v4 import new_code_cell, new_notebook

DOCS = Path(__file__).parents[1] / "docs"


def made() -> str:
    """The notebook as JSON: the same bytes whenever it is the same text."""
    written = jupytext.reads((DOCS / "tutorial.md").read_text(), fmt="md").cells
    for cell in written:
        if cell.cell_type == "code":
            cell.source = f"%%bash\n{cell.source}"
    cells = [new_code_cell("%cd .."), *written]
    for place, cell in enumerate(cells):
        cell.id, cell.metadata = f"cell-{place}", {}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    path = DOCS / "tutorial.ipynb"
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if path.read_text() == made() else "docs/tutorial.ipynb is old: python .ci/notebook.py")
    path.write_text(made())
