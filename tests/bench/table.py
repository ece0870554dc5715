"""One row of the table, and the table as Markdown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A figure beside the one that it is compared with. `most` and `least` are bounds of ours / other."""

    goal: str  # "P1", or "" for a figure without one
    what: str
    ours: float
    other: float | None
    unit: str
    other_name: str = ""
    most: float | None = None
    least: float | None = None
    most_ours: float | None = None  # a bound of the figure itself

    @property
    def ratio(self) -> float | None:
        return self.ours / self.other if self.other else None

    @property
    def bound(self) -> str:
        bounds = [
            f"≤ {self.most:g} ×" if self.most is not None else "",
            f"≥ {self.least:g} ×" if self.least is not None else "",
            f"≤ {self.most_ours:g} {self.unit}" if self.most_ours is not None else "",
        ]
        return ", ".join(bound for bound in bounds if bound) or "-"

    @property
    def holds(self) -> str:
        if self.bound == "-":
            return "-"
        ratio = self.ratio
        is_within = ratio is None or (
            (self.most is None or ratio <= self.most) and (self.least is None or ratio >= self.least)
        )
        return "yes" if is_within and (self.most_ours is None or self.ours <= self.most_ours) else "NO"


def printed(rows: list[Row]) -> str:
    lines = ["| goal | figure | ours | beside | other | ratio | bound | holds |", "| --- " * 8 + "|"]
    for row in rows:
        other = "-" if row.other is None else f"{shown(row.other)} {row.unit}"
        ratio = "-" if row.ratio is None else f"{row.ratio:.2f} ×"
        cells = [row.goal, row.what, f"{shown(row.ours)} {row.unit}", row.other_name or "-", other, ratio, row.bound]
        lines.append(f"| {' | '.join([*cells, row.holds])} |")
    return "\n".join(lines)


def shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"
