"""The pictures of the README: efficiency curves and an event display, as PNG.

python benchmarks/pictures.py TRACKS_DIR --truth EVENTS --out docs/images
"""

import argparse
from pathlib import Path

from hitgraph.evaluation.comparison import compare, find_tracks, read_labels
from hitgraph.evaluation.display import display_figure
from hitgraph.evaluation.plots import efficiency_figure
from hitgraph.evaluation.style import png
from hitgraph.event.source import list_events
from hitgraph.files import atomic_write


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tracks", type=Path)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    sources = list_events([args.truth])
    comparison = compare([args.tracks], sources)
    shown = next(source for source in sources if source.name == comparison.events[0])
    event = shown.read(cells=False)
    labels = read_labels(event, find_tracks(args.tracks)[event.name])
    figures = {
        "efficiency": efficiency_figure(comparison.metrics, "pt"),
        "event": display_figure(event, labels, comparison.min_track_hits),
    }
    for name, figure in figures.items():
        with atomic_write(args.out / f"{name}.png") as path:
            path.write_bytes(png(figure))


if __name__ == "__main__":
    main()
