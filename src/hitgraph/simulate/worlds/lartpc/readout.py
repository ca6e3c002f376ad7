"""From deposits to hits: charge drifts, spreads, and is read out on the wires of one plane.

Every piece of path frees electrons (recombination, argon.charge_left), which drift in packets. A
packet is put on a wire by the diffusion across the drift, and over the ticks of this wire by the
diffusion along it and the shaping of the electronics. With the noise of the electronics on top,
ticks above the threshold that follow each other are a hit. It ends, too, at a valley between two
peaks and after `longest` ticks.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import ndtr

from hitgraph.simulate.worlds.lartpc.argon import charge_left
from hitgraph.simulate.worlds.lartpc.deposits import Deposits
from hitgraph.simulate.worlds.lartpc.geometry import Plane, n_ticks

if TYPE_CHECKING:
    from hitgraph.simulate.worlds.lartpc.settings import LartpcSettings

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

PACKETS = 4  # of a piece of path
DRIFT_SPEED = 1.6  # mm/us at 0.5 kV/cm
ALONG, ACROSS = 6.5e-4, 13e-4  # mm2/us, diffusion; arXiv 1508.07059 and its theory curves
SHAPING = 1.2  # mm of drift, standard deviation
WINDOW = 6.0  # standard deviations over which a packet is spread


@dataclass(frozen=True, eq=False)
class WireHits:
    """Hits of one plane, by wire and time."""

    wire: Int64  # (n_hits,)
    first: Int64  # (n_hits,) tick
    n_ticks: Int64  # (n_hits,)
    charge: Float64  # (sum of n_ticks,) thousand electrons of each tick, hit by hit
    drift: Float64  # (n_hits,) mm, mean of the ticks by charge
    owner: Int64  # (n_hits,) row of the particle of most of its charge, -1 = noise
    true_across: Float64  # (n_hits,) mm, mean of that particle's packets; NaN for noise
    true_drift: Float64  # (n_hits,) mm

    def __len__(self) -> int:
        return len(self.wire)


def read_out(
    settings: "LartpcSettings",
    plane: Plane,
    deposits: Deposits,
    late: Float64,
    owner: Int64,
    rng: np.random.Generator,
) -> WireHits:
    """The hits of deposits inside the box.

    `late` (n,) mm is how much farther than it was each seems to have drifted, since its particle
    did not come with the beam; `owner` (n,) is the row of its particle.
    """
    ticks = n_ticks(settings)
    charge = np.repeat(charge_left(deposits.energy, deposits.path), PACKETS) / PACKETS
    place = np.repeat(deposits.position, PACKETS, axis=0)
    time = place[:, 0] / DRIFT_SPEED
    seen = place[:, 0] + np.repeat(late, PACKETS)
    across = plane.coordinate(place)
    spread = rng.normal(size=len(place)) * np.sqrt(2 * ACROSS * time)
    wire = plane.wire(across + spread)
    inside = (wire >= 0) & (wire < plane.n_wires) & (seen >= 0) & (seen < ticks * settings.tick)
    wire = wire[inside]
    seen, charge, across, time = (one[inside] for one in (seen, charge, across, time))
    width = np.hypot(SHAPING, np.sqrt(2 * ALONG * time))
    image = rng.normal(0, settings.noise, (plane.n_wires, ticks))
    image += _spread(wire, seen, width, charge, image.shape, settings.tick)
    hit_wire, first, length, hit_at = _hits(image, settings.threshold, settings.longest)
    begin = np.repeat(first - np.concatenate([[0], np.cumsum(length)[:-1]]), length)
    tick = begin + np.arange(length.sum())
    hit = np.repeat(np.arange(len(length)), length)
    value = image[hit_wire[hit], tick]
    total = np.bincount(hit, value, len(length))
    drift = np.bincount(hit, value * (tick + 0.5) * settings.tick, len(length)) / total
    of_packet = hit_at[wire, (seen / settings.tick).astype(np.int64)]
    packets = np.repeat(owner, PACKETS)[inside]
    main, true_across, true_drift = _owners(
        of_packet, packets, charge, np.stack([across, seen]), len(length)
    )
    return WireHits(hit_wire, first, length, value, drift, main, true_across, true_drift)


def _spread(
    wire: Int64, seen: Float64, width: Float64, charge: Float64, shape: tuple[int, int], tick: float
) -> Float64:
    """What packets put on each wire and tick."""
    reach = int(np.ceil(WINDOW / 2 * width.max(initial=0.0) / tick))
    middle = (seen / tick).astype(np.int64)
    ticks = middle[:, None] + np.arange(-reach, reach + 2)
    below = ndtr((ticks * tick - seen[:, None]) / width[:, None])
    parts = charge[:, None] * np.diff(below, axis=1)
    ticks = ticks[:, :-1]
    inside = (ticks >= 0) & (ticks < shape[1])
    cell = (wire[:, None] * shape[1] + ticks)[inside]
    image = np.bincount(cell, parts[inside], shape[0] * shape[1])
    return np.asarray(image.reshape(shape), np.float64)


@njit(cache=True)
def _hits(image, threshold, longest):  # type: ignore[no-untyped-def]
    """Wire, first tick and number of ticks of each hit, and the hit at each place, -1 = none."""
    n_wires, n_ticks = image.shape
    at = np.full((n_wires, n_ticks), -1, np.int32)
    wire, first, length = [0], [0], [0]  # types
    for w in range(n_wires):
        t = 0
        while t < n_ticks:
            if image[w, t] < threshold:
                t += 1
                continue
            start, peak = t, image[w, t]
            while True:
                at[w, t] = len(wire) - 1
                value = image[w, t]
                peak = max(peak, value)
                t += 1
                if t == n_ticks or image[w, t] < threshold or t - start == longest:
                    break
                if value < peak / 2 and image[w, t] > value + threshold / 2:
                    break
            wire.append(w)
            first.append(start)
            length.append(t - start)
    return np.array(wire)[1:], np.array(first)[1:], np.array(length)[1:], at


def _owners(
    hit: NDArray[np.int32], owner: Int64, charge: Float64, place: Float64, n_hits: int
) -> tuple[Int64, Float64, Float64]:
    """The particle of most charge of each hit, -1 without any, and where its packets are."""
    on = hit >= 0
    pairs, row = np.unique(np.stack([hit[on], owner[on]]), axis=1, return_inverse=True)
    row = row.reshape(-1)
    share = np.bincount(row, charge[on], pairs.shape[1])
    order = np.lexsort((share, pairs[0]))
    last = order[np.append(np.diff(pairs[0][order]) != 0, True)] if len(order) else order
    main = np.full(n_hits, -1)
    means = np.full((2, n_hits), np.nan)
    main[pairs[0, last]] = pairs[1, last]
    for axis in range(2):
        weighted = np.bincount(row, charge[on] * place[axis, on], pairs.shape[1])
        means[axis, pairs[0, last]] = weighted[last] / share[last]
    return main, means[0], means[1]
