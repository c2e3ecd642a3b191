"""The doors of the suite, found by their path."""

import ast
import re

from experiments.paths import PACKAGE


def doors() -> dict[str, str]:
    """Every door with what it does, in alphabetical order: each module and package that can be run."""
    found = {}
    for path in (*PACKAGE.glob("[!_]*.py"), *PACKAGE.glob("*/__main__.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(part, ast.If) and "__main__" in ast.unparse(part.test) for part in tree.body):
            name = path.parent.name if path.stem == "__main__" else path.stem
            first = (ast.get_docstring(tree) or "").splitlines()[0]
            found[name] = re.sub(r":? `.*", "", first).rstrip(".")
    return dict(sorted(found.items()))
