"""What fitted parameters say of fakes: python benchmarks/track_quality.py EVENTS --tracks DIR

    hitgraph fit data/test-50 --tracks runs/ours --events 1000:1002
    python benchmarks/track_quality.py data/test-50 --tracks runs/ours --events 1000:1002

A fake matches no particle by double majority. For each number of a fit, the chance that a fake has
more of it than a good track (0.5: it says nothing), among all tracks and those of at most five
hits; then what a cut on |d0| of those short tracks leaves of both.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy.stats import rankdata

from hitgraph.cli.arguments import parse_range
from hitgraph.evaluation.comparison import find_tracks, read_labels
from hitgraph.evaluation.matching import match_tracks
from hitgraph.event.event import Event
from hitgraph.event.fits import FittedTracks, fits_path, read_fits
from hitgraph.event.perigee import PARAMETERS
from hitgraph.event.source import list_events
from hitgraph.event.truth import require_truth

SHORT = 5  # hits at most
CUTS = (5.0, 10.0, 20.0, 50.0, 100.0)  # mm

Columns = dict[str, NDArray[np.float64]]


def columns_of(fits: FittedTracks) -> Columns:
    """(n_tracks,) of each name."""
    error = np.sqrt(np.einsum("nii->ni", fits.covariance))
    return {
        "hits": fits.n_measurements.astype(np.float64),
        "chi2 / ndf": fits.chi2 / fits.ndf,
        "|d0|": np.abs(fits.parameters[:, 0]),
        **{f"error of {name}": error[:, k] for k, name in enumerate(PARAMETERS)},
    }


def is_good(event: Event, labels: NDArray[np.int64], fits: FittedTracks) -> NDArray[np.bool_]:
    """(n_tracks,) whether a fitted track matches a particle."""
    matches = match_tracks(require_truth(event).particle_id, labels)
    matched = dict(zip(matches.label, matches.matched("double majority"), strict=True))
    return np.array([matched[track] for track in fits.track_id], bool)


def chance(values: NDArray[np.float64], good: NDArray[np.bool_]) -> float:
    """That a fake has more than a good track: the area under the ROC curve."""
    n_fake, n_good = int((~good).sum()), int(good.sum())
    return float((rankdata(values)[~good].sum() - n_fake * (n_fake + 1) / 2) / (n_fake * n_good))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--tracks", type=Path, required=True)
    parser.add_argument("--events", type=parse_range, metavar="A:B")
    args = parser.parse_args()
    files, parts, flags = find_tracks(args.tracks), [], []
    for source in list_events(args.paths, None, args.events):
        event = source.read(cells=False)
        fits = read_fits(fits_path(args.tracks, event.name))
        parts.append(columns_of(fits))
        flags.append(is_good(event, read_labels(event, files[event.name]), fits))
    table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    good = np.concatenate(flags)
    short = table["hits"] <= SHORT
    console = Console(soft_wrap=True)
    console.print(
        f"{len(good)} tracks, {np.mean(~good):.1%} fakes; of {short.sum()} short ones "
        f"{np.mean(~good[short]):.1%}\n"
    )
    console.print("| number of the fit | all | short |")
    console.print("|---|---|---|")
    for name, values in table.items():
        cells = f"{chance(values, good):.2f} | {chance(values[short], good[short]):.2f}"
        console.print(f"| {name} | {cells} |")
    console.print("\n| cut on the |d0| of short tracks | good left | fakes left |")
    console.print("|---|---|---|")
    for cut in CUTS:
        kept = ~short | (table["|d0|"] <= cut)
        console.print(f"| {cut:g} mm | {kept[good].mean():.2%} | {kept[~good].mean():.1%} |")


if __name__ == "__main__":
    main()
