"""Make TrackML-like events with Pythia 8 and the fast simulation of ACTS, or those of a world.

    hitgraph simulate data/pu200 --events 20 --pileup 200 --seed 1
    hitgraph simulate data/muons --events 5 --particle-gun 100 --gun-pt 0.5:5
    hitgraph simulate data/pu200 --validate trackml/event000001000
    hitgraph simulate data/showers --events 100 --world hgcal --set showers=20
    hitgraph simulate data/odd --events 5 --pileup 20 --detector odd-like

OUT becomes an event store (parquet) with the detectors table and dataset.json, which keeps the
settings. An event depends on the settings, the seed and its number only. Ctrl-C leaves complete
events; --resume goes on. With --validate, the events in OUT are set beside real ones; without
--events no new ones are made. Needs pip install 'hitgraph[sim]', but for worlds and for the
particle gun in a described detector (--detector).
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hitgraph.cli import OK, SOME_FAILED
from hitgraph.cli.arguments import add_json, add_workers, positive
from hitgraph.cli.simulation_settings import add_settings, settings_of

if TYPE_CHECKING:
    from hitgraph.cli.console import Table
    from hitgraph.simulate.folder import AnySettings
    from hitgraph.simulate.outcome import SimulationRun

FIRST = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the events")
    parser.add_argument("--events", type=positive, metavar="N", help="how many")
    parser.add_argument(
        "--first",
        type=positive,
        default=FIRST,
        metavar="NUMBER",
        help=f"number of the first event (default {FIRST})",
    )
    add_settings(parser)
    add_workers(parser, "one a core, or SLURM_CPUS_PER_TASK, and no more than events")
    parser.add_argument(
        "--resume", action="store_true", help="skip the events that are complete in OUT"
    )
    parser.add_argument(
        "--validate",
        type=Path,
        nargs="+",
        metavar="REAL_EVENT",
        help="set the events in OUT beside these",
    )
    add_json(parser)
    parser.add_argument("--quiet", action="store_true", help="errors and warnings only")


def run(args: argparse.Namespace) -> int:
    from hitgraph.cli.console import console, say
    from hitgraph.cli.messages import complain
    from hitgraph.errors import SettingsError

    if args.events is None and args.validate is None:
        raise SettingsError("--events N says how many events to make (or --validate, to make none)")
    out = console(args.quiet)
    content: dict[str, object] = {"out": str(args.out)}
    failed: dict[str, str] = {}
    if args.events is not None:
        settings = settings_of(args)
        result = _simulate(args, settings)
        if result.done:
            out.print(_table(result, kind_of(settings)))
        say(
            f"{len(result.done)} events written to {args.out} in {result.seconds:.0f} s, "
            f"{len(result.skipped)} were there, {len(result.failed)} failed",
            args.quiet,
        )
        if result.done and not any(one.hits for one in result.done):
            complain(
                "no event has a hit: let the particles fly through the detector (--gun-eta, "
                "--gun-phi, --gun-pt, --beam-spot, --beam-centre)"
            )
        failed = {f"event {number}": why for number, why in result.failed.items()}
        content |= _run_content(settings, result)
    if args.validate is not None:
        from hitgraph.cli.validation import read_and_compare, validation_content, validation_table

        rows, titles, bad = read_and_compare(args.out, args.validate, args.quiet)
        out.print(validation_table(rows, titles))
        failed |= bad
        content["validation"] = validation_content(rows, titles)
    for what, why in failed.items():
        complain(f"failed {what}: {why}")
    if args.json is not None:
        _write_json(args.json, content)
    return SOME_FAILED if failed else OK


def _simulate(args: argparse.Namespace, settings: "AnySettings") -> "SimulationRun":
    from hitgraph.cli.console import progress
    from hitgraph.cores import usual_workers
    from hitgraph.simulate.run import simulate
    from hitgraph.workers import hire

    numbers = range(args.first, args.first + args.events)
    usual = usual_workers() if args.dask is None else None
    with hire(args.workers or usual, args.dask) as workers, progress(args.quiet) as bar:
        task = bar.add_task("simulating", total=len(numbers))
        return simulate(
            settings,
            args.out,
            numbers,
            workers,
            resume=args.resume,
            advance=lambda: bar.advance(task),
        )


def kind_of(settings: "AnySettings") -> str:
    """What the events are, in two words."""
    from hitgraph.simulate.settings import SimulationSettings

    if isinstance(settings, SimulationSettings):
        return f"preset {settings.preset}"
    return f"world {settings.world}"


def _table(result: "SimulationRun", kind: str) -> "Table":
    """Mean, least and most of what the new events hold and took."""
    from hitgraph.cli.console import Table

    title = f"{len(result.done)} simulated events ({kind})"
    table = Table(("an event", "mean", "least", "most"), title)
    for label, form, values in (
        ("hits", ",.0f", [one.hits for one in result.done]),
        ("cells", ",.0f", [one.cells for one in result.done]),
        ("particles", ",.0f", [one.particles for one in result.done]),
        ("seconds", ".2f", [one.seconds for one in result.done]),
        ("CPU seconds", ".2f", [one.cpu_seconds for one in result.done]),
        ("megabytes", ".2f", [one.bytes / 1e6 for one in result.done]),
    ):
        mean = sum(values) / len(values)
        table.add(label, *(format(value, form) for value in (mean, min(values), max(values))))
    return table


def _run_content(settings: "AnySettings", result: "SimulationRun") -> dict[str, object]:
    from dataclasses import asdict

    from hitgraph.simulate.folder import dataset_info

    made = dataset_info(settings)
    del made["versions"]
    return {
        "settings": made.pop("settings") | made,
        "seconds": round(result.seconds, 3),
        "events": [asdict(one) for one in result.done],
        "skipped": result.skipped,
        "failed": {str(number): why for number, why in result.failed.items()},
    }


def _write_json(path: Path, content: dict[str, object]) -> None:
    import json

    from hitgraph.files import atomic_write

    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
