"""The command line as a whole: help, imports, exit statuses."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.trained import write_store

from hitgraph import __version__
from hitgraph.cli import CANNOT_START, COMMANDS, INTERRUPTED, SOME_FAILED, info, main
from hitgraph.errors import InputError
from hitgraph.event.event import Event
from hitgraph.event.trackml import write_submission

HEAVY = ("torch", "lightning", "numpy", "numba", "pyarrow", "scipy", "rich", "yaml", "pydantic")

RUN_AND_LIST = """
import sys
from hitgraph.cli import main
for line in sys.argv[1:]:
    try:
        main(line.split("|"))
    except SystemExit as stop:
        assert stop.code == 0, line
print("\\nMODULES", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def modules_after(*lines: str) -> set[str]:
    """Packages that are loaded in a new interpreter after these commands, arguments parted by |."""
    done = subprocess.run(
        [sys.executable, "-c", RUN_AND_LIST, *lines], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].removeprefix("MODULES ").split())


def test_help_imports_nothing_heavy() -> None:
    lines = ["--help", "--version", *(f"{command}|--help" for command in COMMANDS)]
    assert not modules_after(*lines) & set(HEAVY)


def test_reading_and_judging_events_import_no_torch(tiny_event: Event, tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", [tiny_event])
    tracks = tmp_path / "tracks" / f"{tiny_event.name}-tracks.csv"
    track_id = np.ones(tiny_event.n_hits)
    write_submission(tracks, tiny_event.name, tiny_event.hits.hit_id, track_id)
    modules = modules_after(
        f"info|{store}|--quiet",
        f"convert|{store}|--to|trackml|--out|{tmp_path / 'csv'}|--quiet",
        f"evaluate|{tracks.parent}|--truth|{store}|--quiet",
    )
    assert "numpy" in modules
    assert not modules & {"torch", "lightning"}


def test_reconstruction_needs_no_lightning(
    tiny_store: Path, tiny_pipeline: Path, tmp_path: Path
) -> None:
    modules = modules_after(
        f"reconstruct|{tiny_store}|--events|1000|--pipeline|{tiny_pipeline}|--out|{tmp_path}|--quiet"
    )
    assert (tmp_path / "event000001000-tracks.csv").is_file()
    assert "torch" in modules
    assert not modules & {"lightning", "tensorboard", "matplotlib"}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_shows_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    lines = [line.strip() for line in text.splitlines()]
    assert any(line.startswith(f"hitgraph {command} ") for line in lines)
    assert "usage: hitgraph" in text


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(f"{name} " in text and summary in text for name, summary in COMMANDS.items())


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == CANNOT_START
    assert "COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["fly"], ["info"], ["info", "x", "--fast"]])
def test_wrong_arguments_start_nothing(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == CANNOT_START
    assert "usage: hitgraph" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"hitgraph {__version__}\n"


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InputError("a.csv: row 3 is bad"), CANNOT_START, "hitgraph info: a.csv: row 3 is bad\n"),
        (
            KeyboardInterrupt(),
            INTERRUPTED,
            "hitgraph info: interrupted; what is written is complete\n",
        ),
        (BrokenPipeError(), SOME_FAILED, ""),
    ],
    ids=["input", "ctrl-c", "pipe"],
)
def test_what_stops_a_command_is_one_line_and_a_status(
    error: BaseException,
    status: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(_args: object) -> int:
        raise error

    monkeypatch.setattr(info, "run", run)
    assert main(["info", "x"]) == status
    assert capsys.readouterr().err == message


def test_an_error_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_args: object) -> int:
        raise RuntimeError("a bug")

    monkeypatch.setattr(info, "run", run)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["info", "x"])
