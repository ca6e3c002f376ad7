"""Teach the learnt vertex finder: python benchmarks/vertex_similarity.py EVENTS --tracks DIR ...

    hitgraph fit data/train-50 --tracks tracks/train-50
    python benchmarks/vertex_similarity.py data/train-50 --tracks tracks/train-50 --out vertices.net
    hitgraph vertices tracks/compact --finder learnt --model vertices.net --out vertices/learnt

The last event is kept for validation: the share of its pairs that are judged rightly is printed,
once of the pairs whose z0 agree within four errors, which the network sees, once of all.
"""

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console

from hitgraph.evaluation.comparison import find_tracks, read_labels
from hitgraph.evaluation.vertex_quality import collision_of_tracks
from hitgraph.event.fits import fits_path, read_fits
from hitgraph.event.source import list_events
from hitgraph.vertices.similarity import pairs_of, write_similarity
from hitgraph.vertices.teach import Event, accuracy, teach
from hitgraph.vertices.tracks import TrackCuts, beam_tracks


def events_of(paths: list[Path], folders: list[Path]) -> list[Event]:
    """Tracks near the beam line of every event with tracks, and the collisions they come from."""
    found = []
    for path, folder in zip(paths, folders, strict=True):
        files = find_tracks(folder)
        for source in list_events([path]):
            if source.name not in files:
                continue
            event = source.read(cells=False)
            collision = collision_of_tracks(event, read_labels(event, files[source.name]))
            tracks = beam_tracks(read_fits(fits_path(folder, source.name)), TrackCuts())
            found.append((tracks, np.array([collision[one] for one in tracks.track_id.tolist()])))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("events", type=Path, nargs="+")
    parser.add_argument("--tracks", type=Path, nargs="+", required=True, help="one a folder")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    *train, last = events_of(args.events, args.tracks)
    network = teach(train, args.steps)
    write_similarity(network, args.out)
    near = accuracy(network, last)
    tracks, collision = last
    n, (one, other) = len(tracks), collision[pairs_of(tracks)[0]]
    n_all, n_near = n * (n - 1) // 2, len(one)
    _, sizes = np.unique(collision[collision > 0], return_counts=True)
    same_far = int((sizes * (sizes - 1) // 2).sum()) - int(((one == other) & (one > 0)).sum())
    of_all = (near * n_near + n_all - n_near - same_far) / n_all
    Console().print(
        f"{n_near} pairs within four errors: {100 * near:.1f} % right; "
        f"all {n_all}: {100 * of_all:.1f} %"
    )


if __name__ == "__main__":
    main()
