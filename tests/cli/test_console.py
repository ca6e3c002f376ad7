"""Output as it is read: in a terminal, a log, a narrow window, an old encoding."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hitgraph.cli.console import LoggedProgress, Table, console, progress, say
from hitgraph.text import printable

NUMBER = "123,456,789.123456"


def wide_table() -> Table:
    table = Table(["event", *(f"a long heading {k}" for k in range(12))], "a title [red]")
    table.add("[/b] :smile:", *[NUMBER] * 12)
    return table


def test_a_log_gets_whole_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    console().print(wide_table())
    (line,) = (line for line in capsys.readouterr().out.splitlines() if NUMBER in line)
    assert line.count(NUMBER) == 12


@pytest.mark.parametrize("columns", ["60", "100"])
def test_a_narrow_window_wraps_and_loses_no_digit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    console().print(wide_table())
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= int(columns)
    assert "…" not in shown
    digits = [c for c in shown if c.isdigit()]
    headings = "".join(str(k) for k in range(12))
    assert len(digits) == 12 * sum(c.isdigit() for c in NUMBER) + len(headings)


def test_nothing_is_taken_for_markup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    console().print(wide_table())
    say("out/[/red]/:smile:/[bold]")
    shown = capsys.readouterr().out
    for text in ("a title [red]", "[/b] :smile:", "out/[/red]/:smile:/[bold]"):
        assert text in shown


def test_a_log_is_told_once_a_minute_how_far_it_is_and_how_long_it_takes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 0.0
    with progress() as bar:
        assert isinstance(bar, LoggedProgress)
        bar.get_time = lambda: now
        task = bar.add_task("finding tracks", total=10)
        for minutes in (0.5, 1.0, 1.5, 2.0, 2.25):
            now = 60 * minutes
            bar.advance(task)
    assert capsys.readouterr().err.splitlines() == [
        "finding tracks: 2 of 10 after 0:01:00, about 0:04:00 left",
        "finding tracks: 4 of 10 after 0:02:00, about 0:03:00 left",
    ]


def test_a_log_is_told_of_the_first_event_too_where_it_takes_long(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 0.0
    with progress() as bar:
        bar.get_time = lambda: now
        task = bar.add_task("simulating", total=10)
        now = 180.0
        bar.advance(task)
    said = capsys.readouterr().err
    assert said == "simulating: 1 of 10 after 0:03:00, about 0:27:00 left\n"


def test_control_characters_are_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    assert printable("a\x1b[31mb\x07\u202e\udcff") == r"a\x1b[31mb\x07\u202e\udcff"
    assert printable("gerade ± η\n\t") == "gerade ± η\n\t"
    table = Table(["\x1b[2J"], "\x1b]0;title\x07")
    table.add("\x1b[31mred")
    console().print(table)
    say("\x1b[31mred")
    assert "\x1b" not in capsys.readouterr().out


def run(code: str, **more: object) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([sys.executable, "-c", code], check=False, **more)  # type: ignore[call-overload, no-any-return]


SHOW = """
import sys
import hitgraph.cli
from hitgraph.cli import completion, main
from hitgraph.cli.console import LoggedProgress, Table, console, progress, say
def show(_args):
    table = Table(["", "score"], "η")
    table.add("pT", "97.8 ± 0.2 %")
    console().print(table)
    say("caf\\xe9 \\udcff")
    return 0
completion.run = show
sys.exit(main(["completion", "bash"]))
"""


def test_a_terminal_that_knows_ascii_only_gets_ascii() -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = run(SHOW, env=environment, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode("ascii")
    assert "97.8 +- 0.2 %" in shown
    assert r"caf\xe9 \udcff" in shown


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_standard_output_is_one_message() -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123  (a device)
        done = run(SHOW, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    said = done.stderr.decode()
    assert "standard output cannot be written (No space left on device)" in said
    assert len(said.splitlines()) == 1


def test_a_reader_that_has_gone_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = run(SHOW, stdout=write, stderr=subprocess.PIPE)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")
