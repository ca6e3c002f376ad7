"""What a version costs, night after night, in a small file that is not in git.

    python tools/nightly.py data/test --events 1000:1003 --pipeline compact

A cron job in a clone, after `git pull`. `hitgraph benchmark` measures the events with one thread,
five times; its file is kept for `hitgraph benchmark --compare`, and a line of it goes into
OUT/history.jsonl: when, which commit, CPU seconds of every stage, score. The table shows the last
ten nights, each time with its ratio to the night before.
"""

import argparse
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hitgraph.benchmark.run import FILE_NAME, read_run
from hitgraph.benchmark.summary import repeat_means, stage_names
from hitgraph.benchmark.text import NOTHING, Table, markdown
from hitgraph.cli import main as hitgraph
from hitgraph.cli.console import say

NIGHTS = 10
Night = Mapping[str, Any]


def night_of(run: Mapping[str, Any], commit: str) -> Night:
    """One line of the history, of a run as its file has it."""
    (part,) = (part for part in run["parts"].values() if "events" in part)  # not the start-up
    cpu = {stage: float(np.median(repeat_means(part, stage, "cpu"))) for stage in stage_names(part)}
    quality = part["quality"]
    return {
        "when": run["when"],
        "commit": commit,
        "pipeline": run["pipeline"],
        "yardstick": float(np.mean(part["yardstick"])),
        "score": None if quality is None else quality["trackml_score"]["value"],
        "cpu": cpu,
    }


def table_of(nights: Sequence[Night]) -> Table:
    """The nights of one pipeline, a row each."""
    stages = list(nights[-1]["cpu"])
    rows = []
    for before, night in zip([None, *nights], nights, strict=False):
        score = night["score"]
        cells = [_with_ratio(night["cpu"], before and before["cpu"], stage) for stage in stages]
        shown = NOTHING if score is None else f"{score:.4f}"
        rows.append((night["when"][:10], night["commit"], shown, *cells))
    note = (
        "CPU seconds of one thread, mean of the events, median of the repeats (over that before)."
    )
    title = f"{nights[-1]['pipeline']}, night after night"
    return Table(title, ("night", "commit", "score", *stages), tuple(rows), (note,))


def _with_ratio(now: Mapping[str, float], before: Mapping[str, float] | None, stage: str) -> str:
    if stage not in now:
        return NOTHING
    ratio = before and before.get(stage)
    return f"{now[stage]:.3f}" + (f" ({now[stage] / ratio:.2f})" if ratio else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", metavar="EVENTS")
    parser.add_argument("--events", default="1000:1003", metavar="A:B")
    parser.add_argument("--pipeline", default="compact")
    parser.add_argument("--repeats", default="5")
    parser.add_argument("--out", type=Path, default=Path("build/nightly"), metavar="DIR")
    args = parser.parse_args()
    command = ("git", "rev-parse", "--short", "HEAD")
    commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    bench = args.out / f"{args.pipeline.replace('/', '_')}-{commit}"
    measured = ("--pipeline", args.pipeline, "--repeats", args.repeats, "--threads", "1")
    events = (args.data, "--events", args.events)
    if status := hitgraph(["benchmark", *events, *measured, "--out", str(bench), "--force"]):
        return status
    history = args.out / "history.jsonl"
    with history.open("a", encoding="utf-8") as file:
        file.write(json.dumps(night_of(read_run(bench / FILE_NAME), commit)) + "\n")
    nights = [json.loads(line) for line in history.read_text(encoding="utf-8").splitlines()]
    own = [night for night in nights if night["pipeline"] == args.pipeline]
    say(markdown(table_of(own[-NIGHTS:])))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
