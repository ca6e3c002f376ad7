"""The terminal: one place that decides how messages, tables and progress look."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def console(quiet: bool = False) -> Console:
    """Standard output; silent when `quiet`."""
    return Console(quiet=quiet, highlight=False)


def progress(quiet: bool = False) -> Progress:
    """A progress bar on standard error, if that is a terminal, with elapsed and remaining time."""
    terminal = Console(stderr=True, highlight=False)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=terminal,
        disable=quiet or not terminal.is_terminal,
    )


def titled(title: str, preset: str | None) -> str:
    """The title of a table about events that were simulated with a preset."""
    return f"{title} (preset {preset})" if preset else title
