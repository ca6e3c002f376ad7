"""The command line as a whole: help, imports, exit statuses."""

import argparse
import errno
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.trained import write_store

from hitgraph import __version__
from hitgraph.cli import CANNOT_START, COMMANDS, INTERRUPTED, info, main, simulate
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


@pytest.mark.parametrize(
    ("line", "empty"),
    [
        (["info", ""], "'' behind 'info'"),
        (["evaluate", "tracks", "--truth", ""], "'' behind '--truth'"),
        (["reconstruct", "events", "--out="], "--out= behind 'events'"),
        (["reconstruct", "events", "--pipeline", "", "--out", "x"], "'' behind '--pipeline'"),
    ],
)
def test_an_empty_path_is_not_the_current_folder(
    line: list[str],
    empty: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(line)
    assert stop.value.code == CANNOT_START
    assert f"error: the argument {empty} is empty: " in capsys.readouterr().err


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
    for name, summary in COMMANDS.items():
        assert re.search(rf"^ +{name}\s+{re.escape(summary)}$", text, re.MULTILINE), name


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


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["recontruct"], "there is no command 'recontruct': did you mean reconstruct?"),
        (["fly"], "there is no command 'fly'"),
        (["info", "x", "--detector-table=a"], "unrecognized arguments: --detector-table=a"),
        (["info", "x", "--wokers", "2"], "did you mean --workers?"),
        (["study", "noise", "x", "--out", "y", "--fractoins", "0"], "did you mean --fractions?"),
    ],
)
def test_a_misspelt_word_is_put_right(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == CANNOT_START
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("value", ["-1:1", "-.5:2.5", "-4:-2"])
def test_a_range_from_below_zero_needs_no_equals_sign(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []

    def run(args: argparse.Namespace) -> int:
        given.append(args.gun_eta)
        return 0

    monkeypatch.setattr(simulate, "run", run)
    main(["simulate", "out", "--gun-eta", value])
    main(["simulate", "out", f"--gun-eta={value}"])
    low, high = map(float, value.split(":"))
    assert given == [(low, high)] * 2


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
        (
            PermissionError(errno.EACCES, "Permission denied", "/secret"),
            CANNOT_START,
            "hitgraph info: /secret: Permission denied\n",
        ),
        (MemoryError(), CANNOT_START, "hitgraph info: ran out of memory\n"),
        (InputError("\x1b[2J.csv"), CANNOT_START, "hitgraph info: \\x1b[2J.csv\n"),
    ],
    ids=["input", "ctrl-c", "permission", "memory", "control"],
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


WAIT = """
import sys, time
from hitgraph.cli import info, main
def run(args):
    print("running", flush=True)
    time.sleep(60)
info.run = run
sys.exit(main(["info", "x"]))
"""


def test_the_end_of_a_batch_slot_is_an_interruption() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAIT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert said == "hitgraph info: interrupted; what is written is complete\n"


def test_an_error_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_args: object) -> int:
        raise RuntimeError("a bug")

    monkeypatch.setattr(info, "run", run)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["info", "x"])
