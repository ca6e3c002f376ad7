"""The table of `hitgraph simulate --validate`: simulated events beside real ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hitgraph.cli.console import Table
    from hitgraph.simulate.validate import Row


def read_and_compare(
    ours: Path, real: Sequence[Path], quiet: bool
) -> tuple["list[Row]", tuple[str, str], dict[str, str]]:
    """Rows of the table, the names of its two samples, and the events that cannot be read."""
    from hitgraph.cli.console import progress
    from hitgraph.simulate.validate import compare, read_sample

    with progress(quiet) as bar:
        task = bar.add_task("reading", total=None)
        theirs, real_title, failed = read_sample(real, lambda: bar.advance(task))
        sample, our_title, also_failed = read_sample([ours], lambda: bar.advance(task))
    return compare(theirs, sample), (real_title, our_title), failed | also_failed


def validation_table(rows: "list[Row]", titles: tuple[str, str]) -> "Table":
    """The table for the terminal; `titles` name the real sample and the simulated one."""
    from hitgraph.cli.console import Table

    agree = sum(row.agrees for row in rows)
    chance = sum(row.chance for row in rows)
    table = Table(
        ("quantity", "real", "±", "simulated", "±", "ratio", ""),
        f"simulated: {titles[1]}\nreal: {titles[0]}",
        box=None,
        caption_justify="left",
        caption=f"{agree} of {len(rows)} rows agree: within one standard deviation or 10 % "
        "(of the field 2 %), the larger of the two (two samples of one kind: "
        f"{len(rows) - chance:.1f} on average)",
    )
    for row in rows:
        ratio = f"{row.simulated / row.real:.2f}" if row.real else "-"
        numbers = (row.real, row.real_error, row.simulated, row.simulated_error)
        texts = [f"{number:.3g}" for number in numbers]
        table.add(row.name, *texts, ratio, "" if row.agrees else "off")
    return table


def validation_content(rows: "list[Row]", titles: tuple[str, str]) -> dict[str, object]:
    """The table for the JSON file."""
    from dataclasses import asdict

    table = [asdict(row) | {"agrees": row.agrees} for row in rows]
    return {
        "real": titles[0],
        "simulated": titles[1],
        "agree": sum(row.agrees for row in rows),
        "expected_by_chance": len(rows) - sum(row.chance for row in rows),
        "rows": table,
    }
