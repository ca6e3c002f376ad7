"""`hitgraph benchmark` as a user runs it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hitgraph.benchmark.tables import all_tables
from hitgraph.benchmark.text import markdown
from hitgraph.cli import CANNOT_START, OK, SOME_FAILED, main

RUN = """
import sys
from hitgraph.cli import main
assert main(sys.argv[1:]) == 0
print("MODULES", *sorted({name.partition(".")[0] for name in sys.modules}))
"""
STAGES = "stages, cpu, 1 thread"


@pytest.fixture(scope="module")
def measured(
    tiny_store: Path, tiny_pipeline: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """Folder and output of one small benchmark in an interpreter of its own."""
    out = tmp_path_factory.mktemp("benchmark")
    words = ["benchmark", str(tiny_store), "--events", "1000:1002", "--pipeline", tiny_pipeline]
    words += ["--out", out, "--device", "cpu", "--threads", "1", "--repeats", "2"]
    words += ["--no-startup", "--markdown"]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *map(str, words)], capture_output=True, text=True, check=True
    )
    return out, done.stdout


def saved(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "benchmark.json").read_text())
    return content


def test_the_parent_never_imports_torch(measured: tuple[Path, str]) -> None:
    """It would count as memory, threads and time of nothing that is measured."""
    modules = measured[1].splitlines()[-1].split()
    assert modules[0] == "MODULES"
    assert "numpy" in modules
    assert not {"torch", "lightning", "matplotlib"} & set(modules)


def test_the_table_has_the_stages_and_what_was_found(measured: tuple[Path, str]) -> None:
    out, text = measured
    assert (out / "benchmark.md").read_text().strip() in text
    for word in ("read", "graph", "gnn", "all", "score, primaries", "technical efficiency"):
        assert f"| {word}" in text
    assert set(saved(out)["parts"]) == {STAGES}
    for table in all_tables(saved(out)):
        assert {len(row) for row in table.rows} == {len(table.header)}
        assert markdown(table).count("\n|") >= len(table.rows) + 1


def test_resume_keeps_what_is_done_and_compare_finds_nothing_new(
    measured: tuple[Path, str],
    tiny_store: Path,
    tiny_pipeline: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, _ = measured
    before = saved(out)
    words = ["benchmark", str(tiny_store), "--events", "1000:1002", "--pipeline"]
    words += [str(tiny_pipeline), "--out", str(out), "--device", "cpu", "--threads", "1"]
    words += ["--repeats", "2", "--no-startup", "--resume", "--markdown"]
    assert main([*words, "--compare", str(out / "benchmark.json")]) == OK
    assert saved(out) == before
    text = capsys.readouterr().out
    assert "0 of " in text
    assert "2 repeats are too few" in text
    words[words.index("--repeats") + 1] = "3"
    assert main(words) == CANNOT_START
    assert "repeats is 2, but now 3: give another --out" in capsys.readouterr().err


def test_a_bad_event_is_named_and_left_out_unless_it_is_the_only_one(
    tiny_store: Path,
    tiny_pipeline: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    events, out = tmp_path / "events", tmp_path / "out"
    shutil.copytree(tiny_store, events)
    hits = next(events.glob("event000001000.hits.*"))
    hits.write_bytes(hits.read_bytes()[:100])
    words = ["benchmark", str(events), "--pipeline", str(tiny_pipeline), "--device", "cpu"]
    words += ["--out", str(out), "--threads", "1", "--repeats", "1", "--no-startup", "--quiet"]
    assert main([*words, "--events", "1000:1002"]) == SOME_FAILED
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith(f"failed event000001000: {hits}: ")
    measured = saved(out)["parts"][STAGES]["events"]
    assert [event["event"] for event in measured] == ["event000001001"]
    assert main([*words, "--events", "1000", "--force"]) == CANNOT_START
    assert "none of 1 events can be measured: event000001000: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--resume"], "--resume needs the --out DIR"),
        (["--compare", "nothing.json"], "nothing.json: there is no such file"),
    ],
)
def test_what_cannot_start_is_one_line(
    words: list[str], message: str, tiny_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark", str(tiny_store), *words]) == CANNOT_START
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("words", [["--threads", "2,1"], ["--threads", "x"], ["--share", "0"]])
def test_wrong_numbers_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["benchmark", "events", *words])
    assert stop.value.code == CANNOT_START


def test_a_file_that_is_no_benchmark_is_refused(
    tiny_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"format": 0}')
    assert main(["benchmark", str(tiny_store), "--compare", str(other)]) == CANNOT_START
    assert "measure again" in capsys.readouterr().err
