"""Pairs of tracks that may be parts of one particle, and what they say about that.

Each part is fitted with a helix through the beam line (tracks/helix). Torch on any device; the
search for pairs of similar directions has a kernel on the CPU.
"""

from math import asin, pi
from typing import NamedTuple

import torch
from torch import Tensor

from hitgraph.hits import Hits
from hitgraph.hits.direction import squared_distance
from hitgraph.kernels.choice import Backend, for_host
from hitgraph.picks import columns_at, rows_at, rows_where
from hitgraph.tracks.helix import Helices, farthest_hits, fit_helices, sum_by_track, wrap
from hitgraph.tracks.parts import cpu, plain

# Pairs of parts are looked at whose directions differ by less than about these.
PHI_REACH, ETA_REACH = 0.25, 0.35
# By how much the helices of both may miss the near end of the other together, mm. Of 1,100 pairs
# that a network joined none missed by more, of all near pairs three quarters do.
MISS_PHI, MISS_Z = 300.0, 100.0

JOIN_FEATURES = (
    "phi0",  # difference of the helices, in units of 0.01 rad, signed logarithm
    "curvature",  # the same for the curvature, 0.05 / m
    "z0",  # 1 mm
    "cot",  # 0.02
    *("inner_curvature", "outer_curvature"),  # 1/m
    *("inner_eta", "outer_eta"),  # asinh of cot(theta)
    *("inner_first_r", "inner_last_r", "outer_first_r", "outer_last_r"),  # m
    *("inner_last_z", "outer_first_z"),  # m
    *("inner_hits", "outer_hits"),  # 10
    *("outward_phi", "outward_z"),  # mm, inner helix to the outer part's first hit, signed log
    *("inward_phi", "inward_z"),  # mm, outer helix to the inner part's last hit, signed logarithm
    *("both_phi", "both_z"),  # mm, sizes of both added, logarithm
    "gap",  # m, from the inner part's last hit to the outer part's first
)


class PartPairs(NamedTuple):
    """Pairs of tracks that may be parts of one particle."""

    inner: Tensor  # (n_pairs,) track numbers; the part whose hits are nearer to the origin
    outer: Tensor  # (n_pairs,)
    features: Tensor  # (n_pairs, len(JOIN_FEATURES)) float32


class _Parts(NamedTuple):
    """The tracks, (n_tracks,) each."""

    helix: Helices
    n_hits: Tensor
    first: Tensor  # the hit nearest to the origin
    last: Tensor


class _Misses(NamedTuple):
    """By how much the helices of pairs miss the near ends of each other, (n_pairs,) each, mm."""

    out_phi: Tensor  # inner helix and first hit of the outer part
    out_z: Tensor
    in_phi: Tensor  # outer helix and last hit of the inner part
    in_z: Tensor

    @property
    def both_phi(self) -> Tensor:
        return self.out_phi.abs() + self.in_phi.abs()

    @property
    def both_z(self) -> Tensor:
        return self.out_z.abs() + self.in_z.abs()


def part_pairs(hits: Hits, labels: Tensor, max_hits: int, backend: Backend = "auto") -> PartPairs:
    """All pairs of tracks with similar directions, one behind the other, of `max_hits` at most.

    labels (n_hits,), -1 = no track. The pairs are ordered by the lower and then the higher track.
    """
    rows = rows_where(labels >= 0)
    if len(rows) == 0:
        return PartPairs(rows, rows, hits.position.new_empty(0, len(JOIN_FEATURES)))
    track, position = rows_at(labels, rows), rows_at(hits.straight, rows).double()
    distance = squared_distance(position).sqrt()
    helix = fit_helices(position, track, backend)
    n_tracks = len(helix.cot)
    n_hits = torch.bincount(track, minlength=n_tracks)
    last = farthest_hits(distance, track, n_tracks)
    first = len(rows) - 1 - farthest_hits(-distance.flip(0), track.flip(0), n_tracks)
    parts = _Parts(helix, n_hits, first, last)
    middle = sum_by_track(distance, track, n_tracks) / n_hits
    pairs = _near_pairs(parts, middle, distance, max_hits, backend)
    inner, outer = pairs
    out = torch.stack(_misses(helix, position, inner, rows_at(first, outer)))
    near = rows_where(_are_near(out))  # most pairs are not, and need no second look
    (inner, outer), out = columns_at(pairs, near), columns_at(out, near)
    misses = torch.cat([out, torch.stack(_misses(helix, position, outer, rows_at(last, inner)))])
    near = _are_near(misses[:2].abs() + misses[2:].abs())
    inner, outer, misses = inner[near], outer[near], misses[:, near]
    features = _features(parts, position, distance, inner, outer, _Misses(*misses))
    return PartPairs(inner, outer, features)


def _near_pairs(
    parts: _Parts, middle: Tensor, distance: Tensor, max_hits: int, backend: Backend
) -> Tensor:
    """(2, n_pairs) inner and outer track less than the reaches apart, in order of their numbers.

    distance (n_hits,) of the hits from the origin, middle (n_tracks,) its mean over a track.
    Tracks are sorted by sector in phi and then by eta: partners stand in a range of the same
    sector and in one of the next.
    """
    helix, n_hits, n_tracks = parts.helix, parts.n_hits, len(parts.n_hits)
    begins, ends = rows_at(distance, parts.first), rows_at(distance, parts.last)
    eta = torch.asinh(helix.cot) / ETA_REACH
    place = torch.stack([helix.phi0.cos() / PHI_REACH, helix.phi0.sin() / PHI_REACH, eta], dim=1)
    n_sectors = int(pi / asin(PHI_REACH / 2))
    sector = ((helix.phi0 + pi) * (n_sectors / (2 * pi))).long().clamp(0, n_sectors - 1)
    span = 2 * eta.abs().max() + 3  # from one sector to the next
    key, order = (sector * span + eta).sort()
    sector, eta, n_hits, place = (rows_at(one, order) for one in (sector, eta, n_hits, place))
    after = (sector + 1) % n_sectors * span + eta
    own = torch.arange(1, n_tracks + 1, device=key.device)
    begin = torch.cat([own, torch.searchsorted(key, after - 1)])
    end = torch.searchsorted(key, torch.cat([key, after]) + 1, right=True)
    begins, ends, middle = (rows_at(one, order) for one in (begins, ends, middle))
    sorted_tracks = (n_hits, middle, begins, ends, place)
    if for_host(place, backend):
        columns = (one.numpy() for one in (begin, end, *sorted_tracks))
        found = torch.from_numpy(cpu.near_pairs(*columns, max_hits))
    else:
        found = plain.near_pairs(begin, end, *sorted_tracks, max_hits)
    pairs = rows_at(order, found)
    low, high = pairs.sort(dim=0).values
    return columns_at(pairs, torch.argsort(low * n_tracks + high))


def _features(
    parts: _Parts,
    position: Tensor,
    distance: Tensor,
    inner: Tensor,
    outer: Tensor,
    misses: _Misses,
) -> Tensor:
    helix = parts.helix
    r, z = position[:, :2].norm(dim=1) / 1000, position[:, 2] / 1000
    eta, curvature = torch.asinh(helix.cot), 1000 * helix.curvature
    begin, end = parts.first[outer], parts.last[inner]  # of the gap between the parts
    columns = [
        _log(wrap(helix.phi0[inner] - helix.phi0[outer]), 0.01),
        _log(curvature[inner] - curvature[outer], 0.05),
        _log(helix.z0[inner] - helix.z0[outer], 1.0),
        _log(helix.cot[inner] - helix.cot[outer], 0.02),
        *(curvature[inner], curvature[outer], eta[inner], eta[outer]),
        *(r[parts.first[inner]], r[end], r[begin], r[parts.last[outer]]),
        *(z[end], z[begin]),
        *(parts.n_hits[inner] / 10, parts.n_hits[outer] / 10),
        *(_log(miss, 1.0) for miss in misses),
        *(_log(misses.both_phi, 1.0), _log(misses.both_z, 1.0)),
        (distance[begin] - distance[end]) / 1000,
    ]
    return torch.stack([column.float() for column in columns], dim=1)


def _are_near(misses: Tensor) -> Tensor:
    """(n_pairs,) whether misses (2, n_pairs) along phi and along z are within the limits."""
    return (misses[0].abs() <= MISS_PHI) & (misses[1].abs() <= MISS_Z)


def _misses(helix: Helices, position: Tensor, track: Tensor, hit: Tensor) -> tuple[Tensor, Tensor]:
    """By how much helices miss hits (mm): along phi, and along z across the direction of flight."""
    x, y, z = rows_at(position, hit).unbind(1)
    r = torch.hypot(x, y)
    phi, at_z = helix.at(track, r)
    return r * wrap(phi - torch.atan2(y, x)), (at_z - z) / torch.sqrt(
        1 + rows_at(helix.cot, track).square()
    )


def _log(value: Tensor, unit: float) -> Tensor:
    """Signed logarithm: linear below `unit`, logarithmic above."""
    return torch.log1p(value.abs() / unit).copysign(value)
