"""The rules of the house that no linter knows: sizes of modules and functions, and names of hosts."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_MODULE = 250
MAX_FUNCTION = 40
ROOTS = ("generalbots_api", "runner")
REGISTRY_FILES = ("uv.lock", "poetry.lock", "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "pip.conf", ".npmrc")


def problems() -> Iterator[str]:
    for path in sorted(path for root in ROOTS for path in Path(root).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > MAX_MODULE:
            yield f"{path}: {lines} lines, {MAX_MODULE} at most: find the second idea and move it"
        tree = ast.parse(text)
        if text and ast.get_docstring(tree) is None:
            yield f"{path}: opens without a line that says what lives here"
        yield from long_functions(path, tree)
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split()
    for name in tracked:
        if Path(name).name in REGISTRY_FILES:
            yield f"{name}: names a package registry's host"


def long_functions(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION:
                yield f"{path}:{node.lineno}: {node.name} has {lines} lines, {MAX_FUNCTION} at most"


if __name__ == "__main__":
    found = list(problems())
    print("\n".join(found) if found else "the house is in order")
    sys.exit(bool(found))
