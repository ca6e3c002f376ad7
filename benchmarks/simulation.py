"""Simulated events beside a real one, in four pictures:

    python benchmarks/simulation.py REAL_EVENT PLAIN LIKE --out docs/images/simulation.png

REAL_EVENT is a TrackML event, PLAIN and LIKE are samples of the presets plain and trackml-like.
Everything is a share of the sample's particles or hits. Error bars of the real event are the
square roots of the counts.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hitgraph.evaluation.style import Axes, new_figure, png, styled
from hitgraph.event.event import Event
from hitgraph.event.source import list_events
from hitgraph.event.truth import require_particles, require_truth
from hitgraph.files import atomic_write
from hitgraph.simulate.validate import SECONDARY_RADIUS, response

VOLUME = 8  # innermost pixel barrel
BINS = {
    "hits of a particle": np.arange(-0.5, 20.5),
    "r where secondaries are born (mm)": np.linspace(0, 1000, 26),
    "pT of secondaries (GeV)": np.linspace(0.1, 1.0, 19),
    "charge / path in volume 8": np.linspace(0.7, 1.3, 31),
}
NAMES = ("real", "plain", "trackml-like")


def quantities(event: Event) -> list[NDArray[np.floating]]:
    """One array for each of BINS, and what each is a share of."""
    table = require_particles(event)
    radius = np.hypot(table.vx, table.vy)
    secondary = radius > SECONDARY_RADIUS
    pt = np.hypot(table.px, table.py)
    _, _, ratio = response(event)
    here = (require_truth(event).particle_id > 0) & (event.hits.volume_id == VOLUME)
    return [table.nhits.astype(float), radius[secondary], pt[secondary], ratio[here]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in NAMES:
        parser.add_argument(name.replace("-", "_"), type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()

    with styled():
        figure = new_figure(13, 3.2)
        axes = figure.subplots(1, len(BINS))
        for name in NAMES:
            _draw(axes, name, getattr(args, name.replace("-", "_")))
        axes[0].set_ylabel("share")
        axes[3].set_yscale("log")
        axes[0].legend()
    with atomic_write(args.out) as path:
        path.write_bytes(png(figure))


def _draw(axes: Sequence[Axes], name: str, path: Path) -> None:
    events = [source.read() for source in list_events([path])]
    particles = sum(len(require_particles(event)) for event in events)
    columns = zip(*(quantities(event) for event in events), strict=True)
    for axis, (label, edges), parts in zip(axes, BINS.items(), columns, strict=True):
        values = np.concatenate(parts)
        total = len(values) if label.startswith("charge") else particles
        count, _ = np.histogram(values, edges)
        if name == "real":
            middle = 0.5 * (edges[1:] + edges[:-1])
            error = np.sqrt(count) / total
            axis.errorbar(middle, count / total, error, fmt="k.", label=name)
        else:
            axis.stairs(count / total, edges, label=name)
        axis.set_xlabel(label)


if __name__ == "__main__":
    main()
