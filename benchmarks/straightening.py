"""How far three hits of a track are from one helix, as they lie and straightened in their field.

python benchmarks/straightening.py data/val/event000006000

Prompt particles of an event with truth: by pT and by |z| of the middle hit, median and half of the
central 68 % of (1) the distance of the middle hit from the circle through the beam line and the
other two, in the sense in which the track turns, and (2) the change of curvature from the inner
pair to the outer one.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.source import list_events
from hitgraph.event.truth import particle_rows, require_particles

Float64 = NDArray[np.float64]
PT, Z = (0.15, 0.3, 0.6, 1.5), (0, 600, 1000, 1500, 2000, 3000)  # GeV, mm
PROMPT = 1.0  # mm


def triples(path: Path) -> tuple[Float64, Float64, Float64, Float64, int]:
    """Positions (3, n, 3) as they are and straightened, pT, and |z| of the middle hit (n,)."""
    (source,) = list_events([path])
    event = source.read(cells=False)
    particles, row = require_particles(event), particle_rows(event)
    x = np.stack([event.hits.x, event.hits.y, event.hits.z], axis=1).astype(np.float64)
    vertex = np.stack([particles.vx, particles.vy, particles.vz], axis=1)[row]
    kept = np.flatnonzero((row >= 0) & (np.hypot(vertex[:, 0], vertex[:, 1]) < PROMPT))
    far = np.linalg.norm(x - vertex, axis=1)
    order = kept[np.lexsort((far[kept], row[kept]))]
    i, j, k = order[:-2], order[1:-1], order[2:]
    layer = 100 * event.hits.volume_id + event.hits.layer_id
    good = (row[i] == row[k]) & (layer[i] != layer[j]) & (layer[j] != layer[k])
    i, j, k = i[good], j[good], k[good]
    factor = event.likely_field.straightening(np.hypot(x[:, 0], x[:, 1]), x[:, 2])
    pt = np.hypot(particles.px, particles.py)[row[j]]
    as_they_are, straight = (np.stack([y[i], y[j], y[k]]) for y in (x, x * factor[:, None]))
    return as_they_are, straight, pt, np.abs(x[j, 2]), event.n_hits


def off(points: Float64) -> tuple[Float64, Float64]:
    """Miss of the circle in mm, and change of curvature in 1/m, (n,) each."""
    (xi, yi, _), (xj, yj, _), (xk, yk, _) = (one.T for one in points)
    ri, rj, rk = xi**2 + yi**2, xj**2 + yj**2, xk**2 + yk**2
    c, a, b = xi * yk - xk * yi, ri * yk - rk * yi, xi * rk - xk * ri
    turn = np.sign(c)
    miss = turn * (rj * c - a * xj - b * yj) / np.sqrt(a * a + b * b)

    def curvature(x1: Float64, y1: Float64, x2: Float64, y2: Float64) -> Float64:
        sine = (x1 * y2 - x2 * y1) / (np.hypot(x1, y1) * np.hypot(x2, y2))
        result: Float64 = 2000 * sine / np.hypot(x2 - x1, y2 - y1)
        return result

    return miss, turn * (curvature(xj, yj, xk, yk) - curvature(xi, yi, xj, yj))


def told(values: Float64) -> str:
    low, middle, high = np.quantile(values, (0.16, 0.5, 0.84))
    return f"{middle:7.3f} ± {(high - low) / 2:6.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("event", type=Path)
    as_they_are, straight, pt, z, n_hits = triples(parser.parse_args().event)
    before, after = off(as_they_are), off(straight)
    print(f"{len(pt)} triples of prompt particles, {n_hits} hits")  # noqa: T201
    print("pT [GeV] | z [mm] | miss [mm] | straightened | curvature [1/m] | straightened")  # noqa: T201
    for (p, q), (near, far) in ((a, b) for a in pairwise(PT) for b in pairwise(Z)):
        here = (pt >= p) & (pt < q) & (z >= near) & (z < far)
        cells = (told(one[here]) for pair in zip(before, after, strict=True) for one in pair)
        print(f"{p}-{q} | {near}-{far} | {' | '.join(cells)}")  # noqa: T201


if __name__ == "__main__":
    main()
