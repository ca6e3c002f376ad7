"""Straight tracks through planes, with noise, as the first networks for tracking saw them.

    python benchmarks/toy_events.py data/toy --tracks 10 30 100 300 1000 --events 5 --train 60

Ten square planes stand 100 mm apart, from 100 mm on, across x; nothing bends, nothing scatters.
Tracks come from near the origin with slopes up to 0.25, hits are measured within 0.1 mm, a
hundredth of them is missing, and a tenth of all hits is noise. data/toy/train has events of as
many tracks as are named, in turn, data/toy/test-N those of N tracks to judge on.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector
from hitgraph.event.event import Event, HitTable, ParticleTable, TruthTable
from hitgraph.event.field import constant
from hitgraph.event.store import write_detectors, write_event
from hitgraph.event.volumes import reweighted

PLANES = np.arange(100.0, 1001.0, 100.0)  # mm
HALF = 400.0  # mm, of a plane
SLOPE, BEAM, ERROR = 0.25, (5.0, 30.0), 0.1  # largest; mm in y and z; mm of a measurement
MISSING, NOISE = 0.01, 0.1
FIELD = constant(0.0)
MUON = 13


def detector() -> Detector:
    """One module a plane; its u and v are y and z."""
    n = len(PLANES)
    size = np.full(n, HALF)
    return Detector(
        volume_id=np.ones(n, np.int32),
        layer_id=np.arange(1, n + 1, dtype=np.int32),
        module_id=np.ones(n, np.int32),
        centre=np.stack([PLANES, np.zeros(n), np.zeros(n)], axis=1),
        rotation=np.tile(np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]), (n, 1, 1)),
        half_thickness=np.full(n, 0.15),
        min_half_u=size,
        max_half_u=size,
        half_v=size,
        pitch_u=np.full(n, ERROR),
        pitch_v=np.full(n, ERROR),
        field=FIELD,
    )


def make_event(number: int, n_tracks: int, planes: Detector) -> Event:
    """Its content is a function of both numbers only."""
    random = np.random.default_rng([number, n_tracks])
    slopes = random.uniform(-SLOPE, SLOPE, (n_tracks, 2))
    vertex = random.normal(0.0, BEAM, (n_tracks, 2))
    there = random.random((n_tracks, len(PLANES))) >= MISSING
    track, plane = np.nonzero(there)
    true = vertex[track] + slopes[track] * PLANES[plane][:, None]
    n_noise = round(NOISE / (1 - NOISE) * len(track))
    noise = random.uniform(-HALF, HALF, (n_noise, 2))
    place = np.concatenate([true + random.normal(0.0, ERROR, true.shape), noise])
    plane = np.concatenate([plane, random.integers(len(PLANES), size=n_noise)])
    particle = np.concatenate([track + 1, np.zeros(n_noise, np.int64)]).astype(np.int64)
    direction = np.concatenate([np.ones((n_tracks, 1)), slopes], axis=1)
    momentum = direction * random.uniform(1.0, 5.0, (n_tracks, 1))
    zeros = np.zeros(n_tracks)
    event = Event(
        name=f"event{number:09d}",
        hits=hits_at(plane, place, planes),
        particles=ParticleTable(
            np.arange(1, n_tracks + 1),
            np.full(n_tracks, MUON, np.int32),
            *columns(zeros, *vertex.T, *momentum.T),
            np.full(n_tracks, -1, np.int32),
            there.sum(axis=1).astype(np.int32),
        ),
        truth=TruthTable(
            np.arange(1, len(plane) + 1),
            particle,
            *columns(PLANES[plane], *place.T),
            *columns(*np.concatenate([momentum[track], np.zeros((n_noise, 3))]).T),
            np.zeros(len(plane), np.float32),
        ),
        detector=planes,
        field=FIELD,
    )
    return reweighted(event)


def hits_at(plane: NDArray[np.int64], place: NDArray[np.float64], planes: Detector) -> HitTable:
    """place (n_hits, 2) mm is y and z on the planes."""
    return HitTable(
        np.arange(1, len(plane) + 1),
        *columns(PLANES[plane], *place.T),
        planes.volume_id[plane],
        planes.layer_id[plane],
        planes.module_id[plane],
    )


def columns(*values: NDArray[np.float64]) -> list[NDArray[np.float32]]:
    return [value.astype(np.float32) for value in values]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--tracks", type=int, nargs="+", default=[10, 30, 100, 300, 1000])
    parser.add_argument("--events", type=int, default=5, help="to judge on, of each number")
    parser.add_argument("--train", type=int, default=60, help="events to learn from")
    args = parser.parse_args()
    planes = detector()
    mixed = np.roll(args.tracks, -(len(args.tracks) // 2))  # those that validate are none of few
    wanted = {args.out / "train": [(k, mixed[k % len(mixed)]) for k in range(args.train)]}
    for n_tracks in args.tracks:
        numbers = range(1000, 1000 + args.events)
        wanted[args.out / f"test-{n_tracks}"] = [(number, n_tracks) for number in numbers]
    for folder, events in wanted.items():
        folder.mkdir(parents=True, exist_ok=True)
        write_detectors(planes, folder)
        for number, n_tracks in events:
            write_event(make_event(number, n_tracks, planes), folder)


if __name__ == "__main__":
    main()
