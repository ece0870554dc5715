"""The table of faults: what each cost, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass(frozen=True, slots=True)
class Row:
    fault: str
    figure: str
    bound: str
    holds: bool


@dataclass
class Table:
    """Figures of the two forms: the short one is quick, and judges no times, as the machine may be busy."""

    rows: list[Row] = field(default_factory=list)
    is_full: bool = False

    def note(self, fault: str, figure: str, bound: str, *, holds: bool) -> None:
        """Add a row, and see that it holds."""
        self.rows.append(Row(fault, figure, bound, holds))
        assert holds, f"{fault}: {figure}; {bound}"

    def note_time(self, fault: str, seconds: float, bound: float) -> None:
        """A time, which must hold in the full form."""
        is_within = seconds <= bound
        self.rows.append(Row(fault, f"{seconds:.3f} s", f"≤ {bound:g} s", is_within))
        assert is_within or not self.is_full, f"{fault}: {seconds:.3f} s; {bound:g} s at most"

    def printed(self) -> str:
        lines = ["| fault | figure | bound | holds |", "| --- | --- | --- | --- |"]
        lines += [f"| {row.fault} | {row.figure} | {row.bound} | {'yes' if row.holds else 'NO'} |" for row in self.rows]
        return "\n".join(lines)


TABLE = pytest.StashKey[Table]()


def table_of(request: pytest.FixtureRequest) -> Table:
    """One for the whole run."""
    table = request.config.stash.setdefault(TABLE, Table())
    table.is_full = request.node.get_closest_marker("long") is not None
    return table


def forms(short: Any, full: Any) -> pytest.MarkDecorator:
    """The same test in both forms, as the argument `size`."""
    both = [pytest.param(short, id="short"), pytest.param(full, id="full", marks=pytest.mark.long)]
    return pytest.mark.parametrize("size", both)
