"""The options that say what `hitgraph simulate` makes."""

import argparse
from typing import TYPE_CHECKING

from hitgraph.cli.arguments import positive

if TYPE_CHECKING:
    from hitgraph.simulate.folder import AnySettings
    from hitgraph.simulate.settings import ParticleGun, SimulationSettings

PILEUP = 200.0
# what --world cannot be given with
TRACKER_OPTIONS = (
    *("preset", "pileup", "hard", "pt", "eta", "beam_spot", "beam_centre", "field", "noise"),
    *("merge", "particle_gun", "gun_pdg", "gun_pt", "gun_eta", "gun_displaced"),
)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Preset, seed, and groups of options for collisions, detector and particle gun."""
    parser.add_argument(
        "--preset", metavar="NAME", help="detector response: trackml-like (default) or plain"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default 1")
    _add_collisions(parser.add_argument_group("collisions"))
    _add_detector(parser.add_argument_group("detector"))
    _add_gun(parser.add_argument_group("particle gun, instead of the hard process"))
    _add_world(parser.add_argument_group("another world, instead of the tracker"))


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
    group.add_argument(
        "--beam-centre",
        nargs=3,
        type=float,
        metavar=("X", "Y", "Z"),
        help="their mean in mm (default 0 0 0)",
    )


def _add_detector(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--detector",
        metavar="NAME|FILE",
        help="another than TrackML's: a shipped description, such as odd-like, or a YAML file",
    )
    group.add_argument(
        "--field",
        metavar="FIELD",
        help="solenoid, as in TrackML (default); solenoid:FACTOR; constant:TESLA; none; or a file "
        "of lines r z Br Bz, in mm and Tesla; without it a described detector has its own",
    )
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
    group.add_argument(
        "--gun-phi",
        type=_range,
        metavar="MIN:MAX",
        help="azimuth range in rad (default all; write --gun-phi=-0.1:0.1)",
    )
    group.add_argument(
        "--gun-spread",
        type=float,
        metavar="MM",
        help="each starts for itself, with this standard deviation in x, y and z (default 0)",
    )


def _add_world(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--world",
        metavar="NAME",
        help="hgcal, a high-granularity calorimeter, or lartpc, a liquid-argon TPC; "
        "see docs/worlds.md",
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the world, --set showers=20; may be given several times",
    )


def _range(text: str) -> tuple[float, float | None]:
    """'A:B' as (A, B), 'A:' as (A, None), 'A' as (A, A)."""
    low, colon, high = text.partition(":")
    try:
        return float(low), (float(high) if high else None) if colon else float(low)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a range like 0.5:10") from None


def settings_of(args: argparse.Namespace) -> "AnySettings":
    """What the options ask for. Raises SettingsError where that cannot be simulated."""
    from hitgraph.errors import SettingsError

    if args.world is not None:
        return _world(args)
    if args.set:
        raise SettingsError(f"--set {args.set[0]}: belongs to another world: add --world NAME")
    return _of_tracker(args)


def _world(args: argparse.Namespace) -> "AnySettings":
    """The settings of --world and --set; options of the tracker are refused."""
    import json

    from hitgraph.errors import SettingsError
    from hitgraph.simulate.worlds import world_settings

    for name in TRACKER_OPTIONS:
        if getattr(args, name):
            option = "--" + name.replace("_", "-")
            raise SettingsError(
                f"{option} is about the tracker, not about --world {args.world}: leave it out, "
                "and give settings of the world as --set KEY=VALUE"
            )
    values: dict[str, object] = {"seed": args.seed}
    for text in args.set:
        key, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"--set {text}: give KEY=VALUE, like showers=20")
        try:
            values[key] = json.loads(value)
        except ValueError:
            values[key] = value
    return world_settings(args.world, values)


def _of_tracker(args: argparse.Namespace) -> "SimulationSettings":
    from hitgraph.errors import SettingsError
    from hitgraph.event.field import field_of
    from hitgraph.simulate.card import read_card
    from hitgraph.simulate.described import read_description
    from hitgraph.simulate.settings import (
        CARD,
        HARD_PROCESSES,
        OTHER_DETECTORS,
        SimulationSettings,
    )

    gun = _gun(args)
    if gun is not None and args.hard is not None:
        raise SettingsError(
            "--hard is about collisions, whose hard process --particle-gun replaces"
        )
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
    if args.beam_centre is not None:
        values["beam_centre"] = tuple(args.beam_centre)
    if args.detector is not None:
        described = read_description(args.detector)
        values |= {"detector": described, "field": described.field, "preset": OTHER_DETECTORS}
    if args.field is not None:
        values["field"] = field_of(args.field)
    for name in ("preset", "noise"):
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
    from hitgraph.simulate.settings import ParticleGun

    options = {
        "gun-pdg": args.gun_pdg,
        "gun-pt": args.gun_pt,
        "gun-eta": args.gun_eta,
        "gun-displaced": args.gun_displaced,
        "gun-phi": args.gun_phi,
        "gun-spread": args.gun_spread,
    }
    if args.particle_gun is None:
        for name, value in options.items():
            if value is not None:
                raise SettingsError(f"--{name} belongs to the particle gun: add --particle-gun N")
        return None
    default = ParticleGun()
    min_pt, max_pt = args.gun_pt or (default.min_pt, default.max_pt)
    min_eta, max_eta = args.gun_eta or (default.min_eta, default.max_eta)
    min_phi, max_phi = args.gun_phi or (default.min_phi, default.max_phi)
    if max_pt is None or max_eta is None or max_phi is None:
        raise SettingsError(
            "--gun-pt, --gun-eta and --gun-phi need two numbers with a colon between them"
        )
    pdg = default.pdg if args.gun_pdg is None else args.gun_pdg
    return ParticleGun(
        args.particle_gun,
        pdg,
        min_pt,
        max_pt,
        min_eta,
        max_eta,
        displaced=args.gun_displaced or 0.0,
        min_phi=min_phi,
        max_phi=max_phi,
        spread=args.gun_spread or 0.0,
    )
