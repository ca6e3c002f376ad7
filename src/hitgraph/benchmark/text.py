"""A table as text, and numbers as tables of times write them."""

from collections.abc import Mapping
from dataclasses import dataclass

from hitgraph.benchmark.summary import Spread

NOTHING = "-"


@dataclass(frozen=True)
class Table:
    """Rows of text under a header, with what has to be said about them."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def markdown(table: Table) -> str:
    """The table as Markdown."""
    lines = [f"### {table.title}", ""]
    if table.rows:
        cells = [table.header, ["---", *["---:"] * (len(table.header) - 1)], *table.rows]
        lines += ["| " + " | ".join(row) + " |" for row in cells] + [""]
    return "\n".join([*lines, *[f"{note}\n" for note in table.notes]])


def with_spread(spread: Spread | None, unit: float) -> str:
    if spread is None:
        return NOTHING
    value, width = spread.median / unit, spread.half_width / unit
    digits = 3 if unit == 1 else 2
    return f"{value:.{digits}f} ± {width:.{digits}f}"


def power(fit: Mapping[str, float | None]) -> str:
    value, error = fit["exponent"], fit["error"]
    if value is None:
        return NOTHING
    return f"{value:.2f}" if error is None else f"{value:.2f} ± {error:.2f}"


def seconds(value: float) -> str:
    return f"{value:.2f}"


def gigabytes(value: float | None) -> str:
    return NOTHING if value is None else f"{value / 1e9:.2f} GB"
