"""Make TrackML-like events with Pythia 8 and the fast simulation of ACTS.

    hitgraph simulate data/pu200 --events 20 --pileup 200 --seed 1 --workers 2
    hitgraph simulate data/muons --events 5 --particle-gun 100 --gun-pt 0.5:5

OUT becomes an event store (parquet) with the detectors table and dataset.json, which keeps the
settings. An event depends on the settings, the seed and its number only. Ctrl-C leaves complete
events; --resume goes on. Needs pip install 'hitgraph[sim]'.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hitgraph.cli import OK, SOME_FAILED
from hitgraph.cli.arguments import add_json, add_workers, positive

if TYPE_CHECKING:
    from rich.table import Table

    from hitgraph.event.simulate.run import SimulationRun
    from hitgraph.event.simulate.settings import SimulationSettings

FIRST = 1000
PILEUP = 200.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the events")
    parser.add_argument("--events", type=positive, required=True, metavar="N", help="how many")
    parser.add_argument(
        "--first",
        type=positive,
        default=FIRST,
        metavar="NUMBER",
        help=f"number of the first event (default {FIRST})",
    )
    parser.add_argument(
        "--pileup",
        type=float,
        metavar="MU",
        help="mean number of minimum-bias collisions an event, Poisson distributed "
        f"(default {PILEUP:g})",
    )
    parser.add_argument(
        "--hard", metavar="PROCESS", help="hard process of each event: ttbar (default) or none"
    )
    parser.add_argument("--preset", default="plain", metavar="NAME", help="plain (default)")
    parser.add_argument(
        "--noise",
        type=float,
        default=0.15,
        metavar="FRACTION",
        help="noise hits / all hits (default 0.15)",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default 1")
    gun = parser.add_argument_group("particle gun, instead of collisions")
    gun.add_argument("--particle-gun", type=positive, metavar="N", help="N particles an event")
    gun.add_argument(
        "--gun-pdg", type=int, metavar="CODE", help="11, 13 (default), 211, 321 or 2212"
    )
    gun.add_argument(
        "--gun-pt", type=_range, metavar="MIN:MAX", help="pT range in GeV (default 0.5:10)"
    )
    gun.add_argument(
        "--gun-eta",
        type=_range,
        metavar="MIN:MAX",
        help="eta range (default -3:3; write --gun-eta=-1:1)",
    )
    add_workers(parser)
    parser.add_argument(
        "--resume", action="store_true", help="skip the events that are complete in OUT"
    )
    add_json(parser)
    parser.add_argument("--quiet", action="store_true", help="errors only")


def _range(text: str) -> tuple[float, float]:
    low, colon, high = text.partition(":")
    try:
        return float(low), float(high if colon else low)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a range like 0.5:10") from None


def run(args: argparse.Namespace) -> int:
    from hitgraph.cli.console import console, progress

    settings = _settings(args)
    from hitgraph.event.simulate.run import simulate

    numbers = range(args.first, args.first + args.events)
    with progress(args.quiet) as bar:
        task = bar.add_task("simulating", total=len(numbers))
        result = simulate(
            settings,
            args.out,
            numbers,
            workers=args.workers,
            resume=args.resume,
            advance=lambda: bar.advance(task),
        )
    if args.json is not None:
        _write_json(args.json, args.out, settings, result)
    out = console(args.quiet)
    if result.done:
        out.print(_table(result))
    out.print(
        f"{len(result.done)} events written to {args.out} in {result.seconds:.0f} s, "
        f"{len(result.skipped)} were there, {len(result.failed)} failed"
    )
    errors = console()
    for number, why in result.failed.items():
        errors.print(f"failed: event {number}: {why}", markup=False)
    return SOME_FAILED if result.failed else OK


def _settings(args: argparse.Namespace) -> "SimulationSettings":
    from hitgraph.event.simulate.settings import ParticleGun, SimulationSettings

    gun_options = {"gun-pdg": args.gun_pdg, "gun-pt": args.gun_pt, "gun-eta": args.gun_eta}
    collision_options = {"pileup": args.pileup, "hard": args.hard}
    gun = None
    if args.particle_gun is None:
        _refuse(gun_options, "belongs to the particle gun: add --particle-gun N")
        pileup = PILEUP if args.pileup is None else args.pileup
        hard = args.hard or "ttbar"
    else:
        _refuse(collision_options, "is about collisions, which --particle-gun replaces")
        pileup, hard = 0.0, "none"
        default = ParticleGun()
        min_pt, max_pt = args.gun_pt or (default.min_pt, default.max_pt)
        min_eta, max_eta = args.gun_eta or (default.min_eta, default.max_eta)
        pdg = default.pdg if args.gun_pdg is None else args.gun_pdg
        gun = ParticleGun(args.particle_gun, pdg, min_pt, max_pt, min_eta, max_eta)
    return SimulationSettings(pileup, hard, gun, args.noise, args.seed, args.preset)


def _refuse(options: dict[str, object], why: str) -> None:
    from hitgraph.errors import SettingsError

    for name, value in options.items():
        if value is not None:
            raise SettingsError(f"--{name} {why}")


def _table(result: "SimulationRun") -> "Table":
    """Mean, least and most of what the new events hold and took."""
    from rich.table import Table

    table = Table(title=f"{len(result.done)} simulated events")
    table.add_column("an event")
    for name in ("mean", "least", "most"):
        table.add_column(name, justify="right")
    for label, form, values in (
        ("hits", ",.0f", [one.hits for one in result.done]),
        ("cells", ",.0f", [one.cells for one in result.done]),
        ("particles", ",.0f", [one.particles for one in result.done]),
        ("seconds", ".2f", [one.seconds for one in result.done]),
        ("megabytes", ".2f", [one.bytes / 1e6 for one in result.done]),
    ):
        mean = sum(values) / len(values)
        table.add_row(label, *(format(value, form) for value in (mean, min(values), max(values))))
    return table


def _write_json(
    path: Path, out: Path, settings: "SimulationSettings", result: "SimulationRun"
) -> None:
    import json
    from dataclasses import asdict

    from hitgraph.files import atomic_write

    summary = {
        "out": str(out),
        "settings": asdict(settings),
        "seconds": round(result.seconds, 3),
        "events": [asdict(one) for one in result.done],
        "skipped": result.skipped,
        "failed": {str(number): why for number, why in result.failed.items()},
    }
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
