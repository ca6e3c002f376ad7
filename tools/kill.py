"""Kill commands at random moments, resume them, compare what they leave with an undisturbed run.

    hitgraph simulate data/gun --events 6 --particle-gun 20 --seed 1
    python tools/kill.py data/gun --pipeline quickstart --kills 100 --seed 1

Each command runs once undisturbed. Then it is started with --resume, ended by SIGTERM or SIGKILL at
a random moment, mostly soon after a file that it wrote, started again, and so on; every few kills
it may finish. Results have to be there for every event, once, and equal byte for byte. Exit status
1 where they are not.
"""

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from forked import Moment, count_files, run_command
from hitgraph.cli import INTERRUPTED, OK
from hitgraph.cli.console import Table, console, say
from hitgraph.cli.messages import complain
from hitgraph.event.source import list_events
from hitgraph.records import read_summary

KILLS_A_RUN = 4  # at most, until it may finish
SOON = 0.05  # of the time of a run
SIGNALS = (signal.SIGTERM, signal.SIGKILL)
COMMANDS = ("convert", "reconstruct", "simulate", "study", "train")
# How a command may end: by itself, by either signal, or as it ends on SIGTERM.
# Interrupted while it starts or ends, Python ends itself by SIGINT, which a shell sees as 130 too.
ENDS = (OK, INTERRUPTED, -signal.SIGINT, -signal.SIGTERM, -signal.SIGKILL)


@dataclass(frozen=True)
class Job:
    """A command that can be resumed."""

    name: str
    arguments: Callable[[Path], list[str]]  # given the folder for the results
    results: tuple[str, ...]  # patterns of the files that have to be equal byte for byte


@dataclass
class Campaign:
    """What became of the kills of one command."""

    job: Job
    kills: int = 0
    finished_first: int = 0  # runs that were done before they were to be killed
    ends: Counter[int] = field(default_factory=Counter)  # exit statuses
    problems: list[str] = field(default_factory=list)


def main(argv: Sequence[str] | None = None) -> int:
    args = _arguments(argv)
    with tempfile.TemporaryDirectory(prefix="hitgraph-kill-") as folder:
        campaigns = []
        for job in _jobs(args):
            one = campaign(job, args.events, Path(folder) / job.name, args.kills, args.seed)
            say(f"{job.name}: {one.kills} kills, {len(one.problems)} faults", quiet=False)
            campaigns.append(one)
    table = Table(["command", "kills", "done before", "faults"], f"Kills (seed {args.seed})")
    for one in campaigns:
        counts = (one.kills, one.finished_first, len(one.problems))
        table.add(one.job.name, *(str(count) for count in counts))
    console().print(table)
    for one in campaigns:
        for problem in one.problems:
            complain(f"{one.job.name}: {problem}")
    return int(any(one.problems for one in campaigns))


def campaign(job: Job, events: Path, folder: Path, kills: int, seed: int) -> Campaign:
    """Kill a command `kills` times, and compare after every run that may finish."""
    dice = random.Random(f"{job.name} {seed}")
    result, reference = Campaign(job), folder / "reference"
    names = [source.name for source in list_events([events])]
    start = time.perf_counter()
    status, said = run_command(job.arguments(reference), reference)
    seconds = time.perf_counter() - start
    if status != OK:
        result.problems.append(f"ends with status {status} undisturbed: {said}")
        return result
    while result.kills < kills:
        out = folder / "out"
        for _ in range(min(dice.randint(1, KILLS_A_RUN), kills - result.kills)):
            moment = _moment(dice, out, reference, seconds)
            status, said = run_command(job.arguments(out), out, moment)
            result.kills += status != OK
            result.finished_first += status == OK
            result.ends[status] += 1
            if status not in ENDS or "Traceback" in said:
                result.problems.append(f"ends with status {status} when killed: {said}")
            if status == OK:
                break
        status, said = run_command(job.arguments(out), out)
        if status != OK:
            result.problems.append(f"ends with status {status} when resumed: {said}")
        result.problems += differences(job, out, reference, names)
        shutil.rmtree(out)
    return result


def differences(job: Job, out: Path, reference: Path, events: Sequence[str]) -> list[str]:
    """What is missing, too much or different in `out`; hidden files are not results."""
    wanted, found = (
        {
            path.relative_to(place): path.read_bytes()
            for pattern in job.results
            for path in place.glob(pattern)
            if path.is_file() and not path.name.startswith(".")
        }
        for place in (reference, out)
    )
    problems = [f"{path} is missing" for path in wanted.keys() - found.keys()]
    problems += [f"{path} is too much" for path in found.keys() - wanted.keys()]
    problems += [
        f"{path} differs" for path in wanted.keys() & found.keys() if wanted[path] != found[path]
    ]
    if job.name == "reconstruct" and not (out / "run.json").is_file():
        problems.append("run.json is missing")
    elif job.name == "reconstruct":
        written = json.loads((out / "run.json").read_text(encoding="utf-8"))
        for where, content in (("run.json", written), ("its records", read_summary(out))):
            noted = [entry["event"] for entry in content["events"]]
            if noted != sorted(events) or content["failed"]:
                problems.append(f"{where} has the events {noted}, failed {content['failed']}")
    return problems


def _moment(dice: random.Random, out: Path, reference: Path, seconds: float) -> Moment:
    """At any time of a run that takes so many seconds, or soon after any of the files it writes."""
    files = dice.randint(0, max(0, count_files(reference) - count_files(out)))
    wait = dice.uniform(0.0, seconds if files == 0 else SOON * seconds)
    return Moment(files, wait, dice.choice(SIGNALS))


def _jobs(args: argparse.Namespace) -> list[Job]:
    events, quiet = str(args.events), ["--resume", "--quiet"]

    def convert(out: Path) -> list[str]:
        return ["convert", events, "--to", "trackml", "--out", str(out), *quiet]

    def reconstruct(out: Path) -> list[str]:
        line = ["reconstruct", events, "--pipeline", args.pipeline, "--out", str(out)]
        return [*line, "--device", "cpu", "--threads", "1", *quiet]

    def simulate(out: Path) -> list[str]:
        gun = ["--particle-gun", "5", "--events", "3", "--seed", "1", "--workers", "1"]
        return ["simulate", str(out), *gun, *quiet]

    def study(out: Path) -> list[str]:
        line = ["study", "rotation", events, "--pipeline", args.pipeline, "--out", str(out)]
        return [*line, "--angles", "0", "90", "--device", "cpu", "--threads", "1", *quiet]

    def train(out: Path) -> list[str]:
        line = ["train", args.recipe, "--data", events, "--out", str(out)]
        return [*line, "--device", "cpu", "--threads", "1", *quiet]

    jobs = {
        "convert": Job("convert", convert, ("*",)),
        "reconstruct": Job("reconstruct", reconstruct, ("*-tracks.*",)),
        "simulate": Job("simulate", simulate, ("*",)),
        "study": Job("study", study, ("*", "points/*")),
        "train": Job("train", train, ("pipeline.yaml", "weights.safetensors", "*.parquet")),
    }
    return [jobs[name] for name in args.commands]


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("events", type=Path, help="a folder of small events")
    parser.add_argument("--pipeline", default="quickstart", help="for reconstruct")
    parser.add_argument("--recipe", default="tiny", help="for train")
    parser.add_argument(
        "--commands",
        nargs="+",
        choices=COMMANDS,
        default=list(COMMANDS),
    )
    parser.add_argument("--kills", type=int, default=20, help="of each command (default 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default 0)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
