"""Whether the errors of the validation table are right, and how many rows chance takes.

    python benchmarks/validation_errors.py REAL_EVENT SAMPLE

Events of SAMPLE are thinned to as many hits as REAL_EVENT has, whole particles at a time, three
times each; every thinned one is set beside the whole sample, as if it were the real event. For the
volumes it also tells of what their hits are made.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hitgraph.benchmark.sizes import thin
from hitgraph.cli.console import console
from hitgraph.event.event import Event
from hitgraph.event.source import list_events, read_event
from hitgraph.event.truth import particle_rows, require_particles
from hitgraph.simulate.validate import SECONDARY_RADIUS, VOLUMES, Row, Sample, compare

COPIES = 3


def main(real_path: str, sample_path: str) -> None:
    real = read_event(Path(real_path))
    whole, one = Sample(), Sample()
    one.add(real)
    thinned: list[Sample] = []
    contents = []
    rng = np.random.default_rng(0)
    for source in list_events([Path(sample_path)]):
        event = source.read()
        whole.add(event)
        contents.append(content(event) / len(require_particles(event)))
        for _ in range(COPIES):
            thinned.append(Sample())
            thinned[-1].add(thin(event, real.n_hits / event.n_hits, rng))
    trials = [compare(sample, whole) for sample in thinned]
    off = np.array([sum(not row.agrees for row in rows) for rows in trials])
    found, expected = content(real), np.mean(contents, axis=0) * len(require_particles(real))
    out = console()
    out.print(f"{'':36} {'real':>8} {'error':>8} spread of thinned")
    for row in compare(one, whole):
        numbers = (row.real, row.real_error, spread(trials, row))
        out.print(f"{row.name:36}", *(f"{number:8.3g}" for number in numbers))
    out.print(f"{len(trials)} thinned samples: {off.mean():.1f} ± {off.std():.1f} rows off")
    out.print("volume: noise hits, hits of primaries, of secondaries, secondaries; real (expected)")
    for volume, has, would in zip(VOLUMES, found, expected, strict=True):
        texts = (f"{n:.0f} ({m:.0f})" for n, m in zip(has, would, strict=True))
        out.print(f"{volume:3}:", *texts)


def spread(trials: list[list[Row]], row: Row) -> float:
    values = [one.real for rows in trials for one in rows if one.name == row.name]
    return float(np.std(values))


def content(event: Event) -> NDArray[np.float64]:
    """(n_volumes, 4) noise hits, hits of primaries and of secondaries, and secondaries."""
    table, rows = require_particles(event), particle_rows(event)
    secondary = np.hypot(table.vx, table.vy) > SECONDARY_RADIUS
    made_by_secondary = (rows >= 0) & secondary[rows]
    counts = []
    for volume in VOLUMES:
        here = event.hits.volume_id == volume
        late = here & made_by_secondary
        n_noise = np.sum(here & (rows < 0))
        numbers = (n_noise, here.sum() - n_noise - late.sum(), late.sum(), len(set(rows[late])))
        counts.append(numbers)
    return np.array(counts, np.float64)


if __name__ == "__main__":
    main(*sys.argv[1:])
