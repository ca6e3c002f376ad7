"""The terminal: one place that decides how messages, tables and progress look."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, JustifyMethod
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table as RichTable
from rich.text import Text

from hitgraph.text import printable

if TYPE_CHECKING:
    from hitgraph.studies.output import Table as StudyTable

UNLIMITED = 10_000  # columns


class Table(RichTable):
    """A table whose first column is text and whose others are numbers, which are never cut short.

    In a narrow terminal they are wrapped. Nothing in a cell is taken for markup.
    """

    def __init__(self, header: Sequence[str], title: str | None = None, **options: Any) -> None:
        shown = None if title is None else Text(printable(title), style="table.title")
        super().__init__(title=shown, title_justify="left", **options)
        for k, name in enumerate(header):
            justify: JustifyMethod = "right" if k else "left"
            self.add_column(Text(printable(name)), justify=justify, overflow="fold")

    def add(self, *cells: str, style: str = "") -> None:
        """A row."""
        self.add_row(*(Text(printable(cell)) for cell in cells), style=style)


def console(quiet: bool = False) -> Console:
    """Standard output; silent when `quiet`. In a file or a pipe lines are as long as they are."""
    output = Console(quiet=quiet, highlight=False, markup=False, emoji=False)
    if not output.is_terminal and "COLUMNS" not in os.environ:
        output.width = UNLIMITED
    return output


def say(text: str, quiet: bool = False, style: str = "") -> None:
    """A line on standard output, unless `quiet`."""
    console(quiet).print(Text(printable(text)), soft_wrap=True, style=style)


def progress(quiet: bool = False) -> Progress:
    """A progress bar on standard error, if that is a terminal, with elapsed and remaining time."""
    terminal = Console(stderr=True, highlight=False)
    terminal.quiet = quiet or not terminal.is_terminal  # older rich ends it with an empty line
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=terminal,
        disable=terminal.quiet,
    )


def titled(title: str, preset: str | None) -> str:
    """The title of a table about events that were simulated with a preset."""
    return f"{title} (preset {preset})" if preset else title


def shown(table: "StudyTable", preset: str | None) -> Table:
    """A table of a study as the terminal shows it."""
    found = Table(table.columns, titled(table.title, preset))
    for row in table.rows:
        found.add(*row)
    return found
