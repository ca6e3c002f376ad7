"""The terminal: one place that decides how messages, tables and progress look."""

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console, JustifyMethod
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table as RichTable
from rich.text import Text

from hitgraph.cli.messages import complain
from hitgraph.text import printable

if TYPE_CHECKING:
    from hitgraph.studies.output import Table as StudyTable

UNLIMITED = 10_000  # columns
SECONDS_A_LINE = 60.0  # between two lines of progress in a log
SECONDS_OF_ESTIMATE = 600.0  # of the last events, from which the time that is left is estimated


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


class LoggedProgress(Progress):
    """A progress bar that is told in a log by a line a minute."""

    written: float | None = None  # when the last line was, in seconds as of `get_time`

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """As of Progress."""
        super().advance(task_id, advance)
        task, now = self.tasks[task_id], self.get_time()
        since = self.written if self.written is not None else task.start_time
        if since is None or now - since < SECONDS_A_LINE:
            return
        if task.finished or not task.completed or task.total is None:
            return
        self.written, elapsed = now, task.elapsed or 0.0
        left = task.time_remaining  # known from the second event on
        if left is None:
            left = elapsed * (task.total - task.completed) / task.completed
        complain(
            f"{task.description}: {task.completed:.0f} of {task.total:.0f} after "
            f"{_clock(elapsed)}, about {_clock(left)} left"
        )


def progress(quiet: bool = False) -> Progress:
    """A progress bar on standard error, with elapsed and remaining time.

    Where that is no terminal, a line a minute says how far it is.
    """
    terminal = Console(stderr=True, highlight=False)
    terminal.quiet = quiet or not terminal.is_terminal  # older rich ends it with an empty line
    kind = Progress if quiet or terminal.is_terminal else LoggedProgress
    return kind(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=terminal,
        disable=terminal.quiet,
        speed_estimate_period=SECONDS_OF_ESTIMATE,
    )


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))


def titled(title: str, preset: str | None) -> str:
    """The title of a table about events that were simulated with a preset."""
    return f"{title} (preset {preset})" if preset else title


def shown(table: "StudyTable", preset: str | None) -> Table:
    """A table of a study as the terminal shows it."""
    found = Table(table.columns, titled(table.title, preset))
    for row in table.rows:
        found.add(*row)
    return found
