"""Straight lines through hits: what most other hits near one agree on, and what a mask says.

Within the pixels a track above 0.9 GeV from the beam line is straight in (r, z), and its azimuth is
linear in r to 40 microrad. So two numbers make a line through a hit: dphi / dr, which is half the
curvature, and the angle in (r, z).

The line of a hit goes through that other hit whose line most further hits agree with: a Hough
transform about each hit, as the votes of arXiv 2103.06995, section 5.4. Attention compares two;
whether three hits are on one track it does not see before it has learnt which two are.
"""

from math import pi
from typing import NamedTuple

import torch
from torch import Tensor

from hitgraph.gnn.transformer.attention import Windows

__all__ = ["DISTANCES", "LINE", "Lines", "best_lines", "distances", "fitted_lines", "line_columns"]

MAX_BEND, MAX_Z = 1 / 2500, 200.0  # rad / mm, mm: 0.75 GeV in 2 T, at the beam line
VOTERS = 24  # hits near each that vote
PHI_ERROR, Z_ERROR = 5e-4, 0.2  # rad and mm, within which lines agree
APART = (3.0, 10.0)  # mm in r or z, between hits of two layers
LINE, DISTANCES = 4, 4  # numbers of columns
LIMIT = 5.0  # of columns


class Lines(NamedTuple):
    """One line through each of n hits."""

    bend: Tensor  # (n,) dphi / dr, rad / mm
    angle: Tensor  # (n,) in (r, z), rad, in (-pi / 2, pi / 2]
    votes: Tensor  # (n,) hits that agree, each 0 to 1

    def take(self, rows: Tensor) -> "Lines":
        """Some of them."""
        return Lines(*(column[rows] for column in self))


def best_lines(position: Tensor, windows: Windows) -> Lines:
    """Of hits (n_hits, 3) r, phi, z in mm and rad, each with what is around it in `windows`.

    Where no other hit may be on one track, it points to the origin and has no votes.
    """
    if not len(position):
        return Lines(*position.unbind(dim=1))
    seen = windows.seen.repeat_interleave(windows.own.shape[1], dim=0)[windows.rank]
    steps = step(position[:, None], position[seen])
    dr, dphi, dz = steps
    bend, slope = dphi / _away(dr), dz / _away(dr)
    at_beam = position[:, None, 2] - position[:, None, 0] * slope
    least = torch.maximum(bend.abs() / MAX_BEND, at_beam.abs() / MAX_Z)
    least = least.masked_fill(~_apart(dr, dz), torch.inf)
    nearest = least.topk(min(VOTERS, least.shape[1]), largest=False)
    dr, dphi, dz = (column.gather(1, nearest.indices) for column in steps)
    may = nearest.values < 1
    length = torch.hypot(dr, dz)
    other, one = (slice(None), slice(None), None), (slice(None), None)
    off = (dr[one] * dz[other] - dr[other] * dz[one]) / (length[one] + length[other] + 1)
    turn = (dphi[one] * dr[other] - dphi[other] * dr[one]) / (dr[one].abs() + dr[other].abs() + 1)
    agree = torch.exp(-((off / Z_ERROR) ** 2 + (turn / PHI_ERROR) ** 2) / 2)
    agree = agree * (may[one] & may[other] & _apart(dr[one] - dr[other], dz[one] - dz[other]))
    votes, best = agree.sum(dim=2).max(dim=1)
    dr, dphi, dz = (column.gather(1, best[:, None]).squeeze(1) for column in (dr, dphi, dz))
    alone = ~may.any(dim=1)
    bend = torch.where(alone, 0.0, dphi / _away(dr))
    angle = torch.where(alone, _angle(position[:, 0], position[:, 2]), _angle(dr, dz))
    return Lines(bend, angle, votes)


def fitted_lines(first: Tensor, hits: Tensor, share: Tensor) -> Lines:
    """Through first hits (n, 3) and the hits (n_hits, 3) of masks: of shares (n, n_hits), 0 to 1.

    The bend is that of least squares, the angle of the principal axis about the first hit.
    """
    dr, dphi, dz = step(first[:, None], hits)
    rr, zz, rz, turn = ((share * x).sum(dim=1) for x in (dr * dr, dz * dz, dr * dz, dr * dphi))
    angle = torch.atan2(2 * rz, rr - zz + 1e-3) / 2
    return Lines(turn / (rr + 1), angle, share.sum(dim=1))


def line_columns(position: Tensor, lines: Lines) -> Tensor:
    """(n, LINE) for a network: bend, pseudorapidity, z at the beam line, votes."""
    slope = lines.angle.sin() / lines.angle.cos().clamp_min(1e-3)
    at_beam = position[:, 2] - position[:, 0] * slope
    columns = [2000 * lines.bend, slope.asinh(), 0.02 * at_beam, lines.votes.log1p()]
    return torch.stack(columns, dim=1).clamp(-LIMIT, LIMIT)


def distances(first: Tensor, lines: Lines, hits: Tensor) -> Tensor:
    """(n, n_hits, DISTANCES) of hits from lines: across in phi and in (r, z), and along."""
    dr, dphi, dz = step(first[:, None], hits)
    cos, sin = lines.angle.cos()[:, None], lines.angle.sin()[:, None]
    across, along = dz * cos - dr * sin, dr * cos + dz * sin
    turn = dphi - lines.bend[:, None] * dr
    columns = [(1000 * turn).asinh(), (2 * across).asinh(), 0.02 * dr, (0.02 * along).asinh()]
    return torch.stack(columns, dim=-1).clamp(-LIMIT, LIMIT)


def step(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """dr, dphi and dz from one hit (..., 3) to another."""
    dr, dphi, dz = (other - one).unbind(-1)
    return dr, (dphi + pi) % (2 * pi) - pi, dz


def _away(dr: Tensor) -> Tensor:
    """dr, but no nearer to 0 than a millimetre."""
    return torch.where(dr.abs() < 1, torch.where(dr < 0, -1.0, 1.0), dr)


def _apart(dr: Tensor, dz: Tensor) -> Tensor:
    return (dr.abs() > APART[0]) | (dz.abs() > APART[1])


def _angle(dr: Tensor, dz: Tensor) -> Tensor:
    """Of a line, whichever way it is followed."""
    return torch.atan2(torch.where(dr < 0, -dz, dz), dr.abs())
