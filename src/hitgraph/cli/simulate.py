"""Make TrackML-like events with Pythia 8 and the fast simulation of ACTS.

    hitgraph simulate data/pu200 --events 20 --pileup 200 --seed 1
    hitgraph simulate data/muons --events 5 --particle-gun 100 --gun-pt 0.5:5
    hitgraph simulate data/pu200 --validate trackml/event000001000

OUT becomes an event store (parquet) with the detectors table and dataset.json, which keeps the
settings. An event depends on the settings, the seed and its number only. Ctrl-C leaves complete
events; --resume goes on. With --validate, the events in OUT are set beside real ones; without
--events no new ones are made. Needs pip install 'hitgraph[sim]'.
"""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from hitgraph.cli import OK, SOME_FAILED
from hitgraph.cli.arguments import add_json, positive

if TYPE_CHECKING:
    from rich.table import Table

    from hitgraph.event.simulate.outcome import SimulationRun
    from hitgraph.event.simulate.settings import ParticleGun, SimulationSettings

FIRST = 1000
PILEUP = 200.0


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
    parser.add_argument(
        "--preset", metavar="NAME", help="detector response: trackml-like (default) or plain"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default 1")
    _add_collisions(parser.add_argument_group("collisions"))
    _add_detector(parser.add_argument_group("detector"))
    _add_gun(parser.add_argument_group("particle gun, instead of the hard process"))
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="processes that share the events (default: one a core, and no more than events)",
    )
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="let the workers of this Dask cluster make the events (they have to see OUT)",
    )
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
    parser.add_argument("--quiet", action="store_true", help="errors only")


def _add_collisions(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--pileup",
        metavar="MU",
        help="minimum-bias collisions an event, Poisson distributed with mean MU "
        f"(default {PILEUP:g}); fixed:N for exactly N",
    )
    group.add_argument(
        "--hard",
        metavar="PROCESS",
        help="hard process of each event: ttbar (default), none, or a file of Pythia settings",
    )
    group.add_argument(
        "--pt", type=_range, metavar="MIN:MAX", help="pT of their particles in GeV (default 0.1:)"
    )
    group.add_argument(
        "--eta", type=_range, metavar="MIN:MAX", help="and their eta (default -4:4; --eta=-1:1)"
    )
    group.add_argument(
        "--beam-spot",
        type=_range,
        metavar="XY:Z",
        help="standard deviations of the vertices in mm (default 0.015:55.2)",
    )


def _add_detector(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--field", type=float, metavar="TESLA", help="along z (default 2)")
    group.add_argument(
        "--noise", type=float, metavar="FRACTION", help="noise hits / all hits (default 0.15)"
    )
    group.add_argument(
        "--merge", action="store_true", help="one hit where clusters of a module touch"
    )


def _add_gun(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--particle-gun", type=positive, metavar="N", help="N particles an event")
    group.add_argument(
        "--gun-pdg", type=int, metavar="CODE", help="11, 13 (default), 211, 321 or 2212"
    )
    group.add_argument(
        "--gun-pt", type=_range, metavar="MIN:MAX", help="pT range in GeV (default 0.5:10)"
    )
    group.add_argument(
        "--gun-eta",
        type=_range,
        metavar="MIN:MAX",
        help="eta range (default -3:3; write --gun-eta=-1:1)",
    )
    group.add_argument(
        "--gun-displaced",
        type=float,
        metavar="MM",
        help="they are born displaced, after a transverse flight of this mean (default 0)",
    )


def _range(text: str) -> tuple[float, float | None]:
    """'A:B' as (A, B), 'A:' as (A, None), 'A' as (A, A)."""
    low, colon, high = text.partition(":")
    try:
        return float(low), (float(high) if high else None) if colon else float(low)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a range like 0.5:10") from None


def run(args: argparse.Namespace) -> int:
    from hitgraph.cli.console import console
    from hitgraph.errors import SettingsError

    if args.events is None and args.validate is None:
        raise SettingsError("--events N says how many events to make (or --validate, to make none)")
    out = console(args.quiet)
    content: dict[str, object] = {"out": str(args.out)}
    failed: dict[str, str] = {}
    if args.events is not None:
        settings = _settings(args)
        result = _simulate(args, settings)
        if result.done:
            out.print(_table(result, settings.preset))
        out.print(
            f"{len(result.done)} events written to {args.out} in {result.seconds:.0f} s, "
            f"{len(result.skipped)} were there, {len(result.failed)} failed"
        )
        failed = {f"event {number}": why for number, why in result.failed.items()}
        content |= _run_content(settings, result)
    if args.validate is not None:
        from hitgraph.cli.validation import read_and_compare, validation_content, validation_table

        rows, titles, bad = read_and_compare(args.out, args.validate, args.quiet)
        out.print(validation_table(rows, titles))
        failed |= bad
        content["validation"] = validation_content(rows, titles)
    errors = console()
    for what, why in failed.items():
        errors.print(f"failed: {what}: {why}", markup=False)
    if args.json is not None:
        _write_json(args.json, content)
    return SOME_FAILED if failed else OK


def _simulate(args: argparse.Namespace, settings: "SimulationSettings") -> "SimulationRun":
    from hitgraph.cli.console import progress
    from hitgraph.event.simulate.run import simulate

    numbers = range(args.first, args.first + args.events)
    with progress(args.quiet) as bar:
        task = bar.add_task("simulating", total=len(numbers))
        return simulate(
            settings,
            args.out,
            numbers,
            workers=args.workers or _cores(),
            dask=args.dask,
            resume=args.resume,
            advance=lambda: bar.advance(task),
        )


def _cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _settings(args: argparse.Namespace) -> "SimulationSettings":
    from hitgraph.errors import SettingsError
    from hitgraph.event.simulate.card import read_card
    from hitgraph.event.simulate.settings import CARD, HARD_PROCESSES, SimulationSettings

    gun = _gun(args)
    if gun is not None and args.hard is not None:
        raise SettingsError(
            "--hard is about collisions, whose hard process --particle-gun replaces"
        )
    if args.dask is not None and args.workers is not None:
        raise SettingsError("--workers is about this machine: leave it out with --dask")
    values: dict[str, object] = {"gun": gun, "seed": args.seed, "merge": args.merge}
    values["pileup"] = PILEUP if gun is None else 0.0
    if args.pileup is not None:
        values["pileup"], values["pileup_spread"] = _pileup(args.pileup)
    hard = args.hard or ("ttbar" if gun is None else "none")
    values["hard"] = hard if hard in HARD_PROCESSES else CARD
    if values["hard"] == CARD:
        values["card"] = read_card(hard)
    if args.pt is not None:
        values["min_pt"], values["max_pt"] = args.pt
    for name, limits in (("eta", args.eta), ("beam-spot", args.beam_spot)):
        if limits is not None and limits[1] is None:
            raise SettingsError(f"--{name} needs two numbers with a colon between them")
    if args.eta is not None:
        values["min_eta"], values["max_eta"] = args.eta
    if args.beam_spot is not None:
        values["beam_sigma_xy"], values["beam_sigma_z"] = args.beam_spot
    for name in ("preset", "noise", "field"):
        if getattr(args, name) is not None:
            values[name] = getattr(args, name)
    return SimulationSettings(**values)  # type: ignore[arg-type]


def _pileup(text: str) -> tuple[float, str]:
    from hitgraph.errors import SettingsError

    fixed = text.startswith("fixed:")
    try:
        return float(text.removeprefix("fixed:")), "fixed" if fixed else "poisson"
    except ValueError:
        raise SettingsError(
            f"--pileup {text}: give a number of collisions like 200, or fixed:200"
        ) from None


def _gun(args: argparse.Namespace) -> "ParticleGun | None":
    from hitgraph.errors import SettingsError
    from hitgraph.event.simulate.settings import ParticleGun

    options = {
        "gun-pdg": args.gun_pdg,
        "gun-pt": args.gun_pt,
        "gun-eta": args.gun_eta,
        "gun-displaced": args.gun_displaced,
    }
    if args.particle_gun is None:
        for name, value in options.items():
            if value is not None:
                raise SettingsError(f"--{name} belongs to the particle gun: add --particle-gun N")
        return None
    default = ParticleGun()
    min_pt, max_pt = args.gun_pt or (default.min_pt, default.max_pt)
    min_eta, max_eta = args.gun_eta or (default.min_eta, default.max_eta)
    if max_pt is None or max_eta is None:
        raise SettingsError("--gun-pt and --gun-eta need two numbers with a colon between them")
    pdg = default.pdg if args.gun_pdg is None else args.gun_pdg
    displaced = args.gun_displaced or 0.0
    return ParticleGun(args.particle_gun, pdg, min_pt, max_pt, min_eta, max_eta, displaced)


def _table(result: "SimulationRun", preset: str) -> "Table":
    """Mean, least and most of what the new events hold and took."""
    from rich.table import Table

    table = Table(title=f"{len(result.done)} simulated events (preset {preset})")
    table.add_column("an event")
    for name in ("mean", "least", "most"):
        table.add_column(name, justify="right")
    for label, form, values in (
        ("hits", ",.0f", [one.hits for one in result.done]),
        ("cells", ",.0f", [one.cells for one in result.done]),
        ("particles", ",.0f", [one.particles for one in result.done]),
        ("seconds", ".2f", [one.seconds for one in result.done]),
        ("CPU seconds", ".2f", [one.cpu_seconds for one in result.done]),
        ("megabytes", ".2f", [one.bytes / 1e6 for one in result.done]),
    ):
        mean = sum(values) / len(values)
        table.add_row(label, *(format(value, form) for value in (mean, min(values), max(values))))
    return table


def _run_content(settings: "SimulationSettings", result: "SimulationRun") -> dict[str, object]:
    from dataclasses import asdict

    return {
        "settings": asdict(settings),
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
