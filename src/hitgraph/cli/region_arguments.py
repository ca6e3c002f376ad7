"""Which regions of events a command reconstructs: --region, --regions, --min-pt."""

import argparse
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hitgraph.event.regions import Region, Regions

MAX_PARTS = 1000  # of an event; smaller ones have no hits


def add_regions(parser: argparse.ArgumentParser) -> None:
    """--region or --regions, and --min-pt; `regions_argument` reads them."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--region",
        metavar="ETA,PHI[,DETA,DPHI]",
        help="find only tracks whose direction is within DETA and DPHI (rad; default 0.4 each) of "
        "this one; --region=-1.2,0.3 where ETA is negative",
    )
    which.add_argument(
        "--regions",
        metavar="N[xM]",
        help="find all tracks in N parts of azimuth (and M of eta), one after the other",
    )
    parser.add_argument(
        "--min-pt",
        type=float,
        metavar="GEV",
        help="regions take the hits that particles of more pT can leave (default 0.5)",
    )


def regions_argument(args: argparse.Namespace) -> "Regions | None":
    """The regions asked for; None for full events. Raises SettingsError."""
    from hitgraph.errors import SettingsError
    from hitgraph.event.regions import MIN_PT, Regions, parts_of_event, region_at

    if args.region is None and args.regions is None:
        if args.min_pt is not None:
            raise SettingsError("--min-pt is about regions: give --region or --regions as well")
        return None
    if args.region is not None:
        parts: tuple[Region, ...] = (region_at(*region_numbers(args.region)),)
    else:
        parts = parts_of_event(*part_numbers(args.regions))
    return Regions(parts, MIN_PT if args.min_pt is None else args.min_pt)


def region_numbers(text: str) -> list[float]:
    """'ETA,PHI' or 'ETA,PHI,DETA,DPHI' as numbers. Raises SettingsError."""
    from hitgraph.errors import SettingsError

    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 4) or not all(map(math.isfinite, numbers)):
        raise SettingsError(
            f"--region: {text[:80]!r} is no direction: ETA,PHI or ETA,PHI,DETA,DPHI is expected, "
            "for example 0.5,1.2 or 0.5,1.2,0.4,0.4"
        )
    return numbers


def part_numbers(text: str) -> tuple[int, int]:
    """'N' or 'NxM' as the numbers of parts in azimuth and in eta. Raises SettingsError."""
    from hitgraph.errors import SettingsError

    n_phi, _, n_eta = text.partition("x")
    parts = [int(part) if part.isdecimal() else 0 for part in (n_phi[:9], n_eta[:9] or "1")]
    if min(parts) < 1 or text.endswith("x") or parts[0] * parts[1] > MAX_PARTS:
        raise SettingsError(
            f"--regions: {text[:80]!r}: N parts of azimuth or NxM of azimuth and eta are expected, "
            f"from 1 to {MAX_PARTS} together, for example 8 or 8x4"
        )
    return parts[0], parts[1]
