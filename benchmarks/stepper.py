"""The stepper of described detectors beside Fatras: the same muons through the TrackML detector.

    python benchmarks/stepper.py                # 2,000 muons in the barrel, a table
    python benchmarks/stepper.py --muons 500 --seed 3

Both get the table of modules, the material and the field (2 T) of the ACTS GenericDetector. Muons
go into the barrel, abs(eta) < 0.8, where all passive material stands in cylinders. Needs the extra
`sim`.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.detector import Detector
from hitgraph.event.field import CURVATURE, constant
from hitgraph.simulate.crossings import Steps
from hitgraph.simulate.fatras import Fatras, build_detector
from hitgraph.simulate.generator import Generated, Gun
from hitgraph.simulate.geometry import read_geometry
from hitgraph.simulate.material import slab_of
from hitgraph.simulate.matter import Matter, Tube, masses_of
from hitgraph.simulate.settings import ParticleGun, SimulationSettings
from hitgraph.simulate.stepper import Stepper

TESLA = 2.0
PT = (0.3, 5.0)  # GeV
ETA = 0.8
LAYERS = ((8, 2), (8, 8), (13, 8), (17, 4))  # volume and layer where offsets are taken
SILICON_Z_OVER_A = 0.49848
Float64 = NDArray[np.float64]


def acts_matter(row_of: dict[int, int]) -> Matter:
    """The material of modules and cylinders of the ACTS detector; disks are left out."""
    x0, grams = np.zeros(len(row_of)), np.zeros(len(row_of))
    tubes = []
    for surface in build_detector().trackingGeometry().extractMaterialSurfaces():
        slab = slab_of(surface.geometryId, surface.surfaceMaterial)
        depth = slab["t"] / slab["x0"]
        # g / cm^2 of silicon with as many electrons; densities are per mm^3
        weight = 100 * slab["z"] * slab["rho"] * slab["t"] / SILICON_Z_OVER_A
        row = row_of.get(surface.geometryId.value)
        if row is not None:
            x0[row], grams[row] = depth, weight
        elif "Cylinder" in surface.type.name:
            radius, half_length, *_ = surface.bounds.values()
            tubes.append(Tube(radius, half_length, depth, weight))
    return Matter(x0, grams, tuple(tubes))


def muons(n: int, seed: int) -> Generated:
    gun = ParticleGun(n, 13, *PT, -ETA, ETA)
    settings = SimulationSettings(
        pileup=0, hard="none", gun=gun, preset="plain", beam_sigma_xy=0, beam_sigma_z=0
    )
    return Gun(gun, settings).generate(np.random.default_rng(seed))


def in_order(steps: Steps) -> Steps:
    return steps.where(np.lexsort((steps.number, steps.particle)))


def same_modules(one: Steps, other: Steps, n: int) -> float:
    """Share of particles that cross the same modules in both."""
    sets = [
        [frozenset(part.tolist()) for part in np.split(steps.module, _starts(steps, n))]
        for steps in (one, other)
    ]
    return float(np.mean([a == b for a, b in zip(*sets, strict=True)]))


def _starts(steps: Steps, n: int) -> NDArray[np.int64]:
    return np.cumsum(np.bincount(steps.particle, minlength=n))[:-1]


def rows_of(
    steps: Steps, detector: Detector, particles: Generated
) -> dict[str, tuple[str, Float64]]:
    """What to compare: a format and a number with its error, each."""
    n = len(particles)
    hits = np.bincount(steps.particle, minlength=n).astype(float)
    p = np.linalg.norm(steps.momentum, axis=1)
    start = np.linalg.norm(particles.momentum, axis=1)
    rows = {
        "hits a track": (".2f", _mean(hits)),
        "tracks with 10 hits or more, %": (".1f", _mean(100.0 * (hits >= 10))),
    }
    follows = np.flatnonzero(np.diff(steps.particle) == 0)
    apart = detector.layer[steps.module[follows]] != detector.layer[steps.module[follows + 1]]
    inner = follows[apart]
    outer = inner + 1
    for low, high in ((0.3, 0.6), (0.6, 1.0), (1.0, 5.0)):
        here = (p[inner] >= low) & (p[inner] < high)
        lost = 1e3 * (p[inner] - p[outer])[here]
        rows[f"lost between layers at {low:g}-{high:g} GeV, MeV"] = ".3f", _median(lost)
    theta = np.arctan2(np.hypot(*steps.momentum[:, :2].T), steps.momentum[:, 2])
    mass = masses_of(np.full(len(p), 13))
    scaled = 1e3 * (theta[outer] - theta[inner]) * (p**2 / np.hypot(p, mass))[inner]
    for volume in (8, 13, 17):
        here = detector.volume_id[steps.module[outer]] == volume
        rows[f"kink before volume {volume}, rms x beta p, MeV"] = ".3f", _rms(scaled[here])
        rows[f"kink before volume {volume}, 68 %, MeV"] = ".3f", _width(scaled[here])
    for volume, layer in LAYERS:
        module = steps.module
        here = (detector.volume_id[module] == volume) & (detector.layer_id[module] == layer)
        off = offsets(steps.where(here), particles) * start[steps.particle[here]]
        rows[f"off its helix in layer {volume}/{layer}, rms x p, mm GeV"] = ".4f", _rms(off)
    return rows


def offsets(steps: Steps, particles: Generated) -> Float64:
    """(n,) mm that steps lie beside the circle that their particle starts on."""
    momentum = particles.momentum[steps.particle]
    sign = particles.charge[steps.particle] * TESLA * CURVATURE
    radius = np.hypot(momentum[:, 0], momentum[:, 1]) / sign
    across = np.stack([momentum[:, 1], -momentum[:, 0]], axis=1) / sign[:, None]
    centre = particles.vertex[steps.particle][:, :2] + across
    return np.sign(radius) * (np.hypot(*(steps.position[:, :2] - centre).T) - np.abs(radius))


def _mean(values: Float64) -> Float64:
    return np.array([values.mean(), values.std() / np.sqrt(len(values))])


def _median(values: Float64) -> Float64:
    low, high = np.percentile(values, [15.87, 84.13])
    return np.array([np.median(values), 1.25 * (high - low) / 2 / np.sqrt(len(values))])


def _rms(values: Float64) -> Float64:
    """Of all but the furthest 1 % of the values."""
    near = values[np.abs(values) <= np.percentile(np.abs(values), 99)]
    return np.array([near.std(), near.std() / np.sqrt(2 * len(near))])


def _width(values: Float64) -> Float64:
    """Half of what the middle 68 % of the values span."""
    low, high = np.percentile(values, [15.87, 84.13])
    return np.array([(high - low) / 2, (high - low) / 2 / np.sqrt(1.2 * len(values))])


def main() -> None:
    parser = argparse.ArgumentParser(description=Path(__file__).read_text().split('"""')[1])
    parser.add_argument("--muons", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    detector, row_of = read_geometry(build_detector())
    particles, field = muons(args.muons, args.seed), constant(TESLA)
    found = {}
    for name, stepping in (
        ("Fatras", Fatras(build_detector(), row_of, field)),
        ("stepper", Stepper(detector, acts_matter(row_of), field)),
    ):
        begun = time.process_time()
        steps = in_order(stepping.simulate(particles, args.seed))
        found[name] = steps, time.process_time() - begun
    columns = {name: rows_of(steps, detector, particles) for name, (steps, _) in found.items()}
    print("| | Fatras | stepper | apart, in errors |\n|---|---|---|---|")  # noqa: T201
    for title, (form, (first, first_error)) in columns["Fatras"].items():
        second, second_error = columns["stepper"][title][1]
        cells = [
            f"{a:{form}} ± {b:{form}}" for a, b in ((first, first_error), (second, second_error))
        ]
        apart = (second - first) / max(np.hypot(first_error, second_error), 1e-12)
        print(f"| {title} | {' | '.join(cells)} | {apart:+.1f} |")  # noqa: T201
    seconds = [f"{time_:.2f}" for _, time_ in found.values()]
    print(f"| CPU seconds | {' | '.join(seconds)} | |")  # noqa: T201
    same = same_modules(found["Fatras"][0], found["stepper"][0], args.muons)
    print(f"\n{100 * same:.1f} % of the muons cross the same modules in both")  # noqa: T201


if __name__ == "__main__":
    main()
