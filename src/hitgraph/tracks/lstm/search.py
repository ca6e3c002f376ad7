"""Following seeds outward: on each layer the hit nearest to where it is expected."""

from dataclasses import dataclass
from math import pi, sqrt

import torch
from torch import Tensor

from hitgraph.kernels.ranges import expand
from hitgraph.tracks.helix import wrap
from hitgraph.tracks.lstm import Follower, Memory, Places, inputs_of

WIDEST = 0.1  # rad; farther from where it is expected no hit is looked for
LEAST_STEP = 1e-3  # m


def follow(
    network: Follower,
    places: Places,
    layer: Tensor,
    seeds: Tensor,
    radius: Tensor,
    max_chi2: float,
) -> tuple[Tensor, Tensor]:
    """Members (n_seeds, n_layers) int64, hits or -1, and quality (n_seeds,) of each seed's track.

    places and layer (n_hits,), seeds (n_seeds, 3); radius (n_layers,) m is that of each layer, -1
    for layers that are passed over. The quality is the sum of max_chi2 - chi2 over the hits taken.
    """
    members = torch.full((len(seeds), len(radius)), -1, device=seeds.device)
    members.scatter_(1, layer[seeds], seeds)
    quality = torch.zeros(len(seeds), device=seeds.device)
    if not len(seeds):
        return members, quality
    growing = begin(network, places, seeds)
    for number in torch.argsort(radius).tolist():
        here = torch.nonzero(layer == number).squeeze(1)
        going = torch.nonzero(radius[layer[growing.last]] < radius[number]).squeeze(1)
        if not len(here) or not len(going):
            continue
        track, hit = growing.near(going, here, radius[number], sqrt(max_chi2))
        track, hit, chi2 = _best(track, hit, growing.chi2(track, hit), max_chi2)
        if len(track):
            members[track, number] = hit
            quality[track] += max_chi2 - chi2
            growing.take(track, hit)
    return members, quality


@dataclass(frozen=True, eq=False)
class Growing:
    """Tracks on their way outward; `take` changes what is known of them in place."""

    network: Follower
    places: Places
    first: Tensor  # (n_tracks,) int64 hits
    last: Tensor
    known: Tensor  # (n_tracks, hidden)
    slopes: Tensor  # (n_tracks, 2) between the last two hits
    memory: Memory

    def near(
        self, track: Tensor, here: Tensor, radius: Tensor, n_errors: float
    ) -> tuple[Tensor, Tensor]:
        """Pairs of one of the tracks and one of the hits `here`, on one layer, that lies within
        so many errors in azimuth of where it is expected."""
        last, places = self.last[track], self.places
        dr = (radius - places.r[last]).clamp_min(LEAST_STEP)
        there = self.network.expect(self.known[track], self.slopes[track], dr)
        flat = (places.r[here] - radius).abs().max()  # modules are flat, a layer is no cylinder
        reach = n_errors * there.phi_error + (there.dphi / dr).abs() * flat
        reach, centre = reach.clamp_max(WIDEST), wrap(places.phi[last] + there.dphi)
        phi, order = torch.sort(places.phi[here])
        around = torch.cat([phi - 2 * pi, phi, phi + 2 * pi])
        row, place = expand(
            torch.searchsorted(around, centre - reach),
            torch.searchsorted(around, centre + reach, right=True),
        )
        return track[row], here[order[place % len(here)]]

    def chi2(self, track: Tensor, hit: Tensor) -> Tensor:
        """(n_pairs,) of tracks and hits, at the radius of the hit."""
        last, places = self.last[track], self.places
        dr = (places.r[hit] - places.r[last]).clamp_min(LEAST_STEP)
        there = self.network.expect(self.known[track], self.slopes[track], dr)
        return there.chi2(wrap(places.phi[hit] - places.phi[last]), places.z[hit] - places.z[last])

    def take(self, track: Tensor, hit: Tensor) -> None:
        """Go on with these hits."""
        three = torch.stack([self.first[track], self.last[track], hit], dim=1)
        step = inputs_of(Places(*(one[three] for one in self.places)))[:, -1:]
        before = (self.memory[0][:, track], self.memory[1][:, track])
        known, memory = self.network.read(step, before)
        self.known[track], self.slopes[track], self.last[track] = known[:, 0], step[:, 0, -2:], hit
        for kept, new in zip(self.memory, memory, strict=True):
            kept[:, track] = new


def begin(network: Follower, places: Places, seeds: Tensor) -> Growing:
    """With the hits of seeds (n_seeds, 3) read."""
    inputs = inputs_of(Places(*(one[seeds] for one in places)))
    known, memory = network.read(inputs)
    return Growing(
        network,
        places,
        seeds[:, 0],
        seeds[:, -1].clone(),
        known[:, -1].clone(),
        inputs[:, -1, -2:].clone(),
        memory,
    )


def _best(
    track: Tensor, hit: Tensor, chi2: Tensor, max_chi2: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Of each track the pair of least chi2, where that is allowed."""
    order = torch.argsort(chi2, stable=True)
    order = order[torch.argsort(track[order], stable=True)]
    track, hit, chi2 = track[order], hit[order], chi2[order]
    first = torch.ones_like(track, dtype=torch.bool)
    first[1:] = track[1:] != track[:-1]
    first &= chi2 <= max_chi2
    return track[first], hit[first], chi2[first]
