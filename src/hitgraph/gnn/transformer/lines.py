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

__all__ = [
    "DISTANCES",
    "LINE",
    "Lines",
    "best_lines",
    "distances",
    "fitted_lines",
    "line_columns",
    "on_better_lines",
]

ON_LINE = 4  # errors of PIXELS: hits so near are of one track
VOTERS = 96  # hits near each that vote, at most
COMPARED = 8  # of them, on either side of each in the order of their angles
APART = (3.0, 10.0)  # mm in r or z, between hits of two layers
LINE, DISTANCES = 4, 4  # numbers of columns
LIMIT = 5.0  # of columns


class Search(NamedTuple):
    """Which lines are looked for, and how near hits have to be to one."""

    max_bend: float  # rad / mm, half the curvature
    max_z: float = 200.0  # mm, at the beam line
    phi_error: float = 7e-4  # rad
    z_error: float = 0.2  # mm


PIXELS = Search(max_bend=1 / 2100)  # 0.63 GeV in 2 T


class Lines(NamedTuple):
    """One line through each of n hits."""

    bend: Tensor  # (n,) dphi / dr, rad / mm
    angle: Tensor  # (n,) in (r, z), rad, in (-pi / 2, pi / 2]
    votes: Tensor  # (n,) hits that agree, each 0 to 1

    def take(self, rows: Tensor) -> "Lines":
        """Some of them."""
        return Lines(*(column[rows] for column in self))


def best_lines(position: Tensor, windows: Windows, search: Search = PIXELS) -> Lines:
    """Of hits (n_hits, 3) r, phi, z in mm and rad, each with what is around it in `windows`.

    Of each other hit the bend is that of the circle through both and the beam line, so that what
    agrees are helices. Where no other hit may be on one track, a line points to the origin and has
    no votes.
    """
    if not len(position):
        return Lines(*position.unbind(dim=1))
    seen = windows.seen.repeat_interleave(windows.own.shape[1], dim=0)[windows.rank]
    bend, ds, dz = _arcs(position[:, None], position[seen])
    at_beam = position[:, None, 2] - arc(position[:, None, 0], bend) * dz / _away(ds)
    least = torch.maximum(bend.abs() / search.max_bend, at_beam.abs() / search.max_z)
    least = least.masked_fill(~_apart(ds, dz), torch.inf)
    nearest = least.topk(min(VOTERS, least.shape[1]), largest=False)
    bend, ds, dz = (column.gather(1, nearest.indices) for column in (bend, ds, dz))
    angle, order = torch.where(nearest.values < 1, _angle(ds, dz), torch.inf).sort(dim=1)
    bend, ds, dz = (column.gather(1, order) for column in (bend, ds, dz))
    may = angle.isfinite()
    votes, best = _votes(bend, ds, dz, may, search).max(dim=1)
    bend, ds, dz = (column.gather(1, best[:, None]).squeeze(1) for column in (bend, ds, dz))
    alone = ~may.any(dim=1)
    angle = torch.where(alone, _angle(position[:, 0], position[:, 2]), _angle(ds, dz))
    return Lines(torch.where(alone, 0.0, bend), angle, votes)


def arc(r: Tensor, bend: Tensor) -> Tensor:
    """mm from the beam line to r on a circle, whose bend is half its curvature."""
    return torch.where(bend.abs() < 1e-6, r, (r * bend).clamp(-1, 1).asin() / _away(bend, 1e-6))


def _arcs(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """From one hit (..., 3) to another: the bend of the circle, the arc on it, and dz."""
    dr, dphi, dz = step(one, other)
    chord = torch.hypot(dr, 2 * (one[..., 0] * other[..., 0]).sqrt() * (dphi / 2).sin())
    bend = torch.where(dr < 0, -1.0, 1.0) * dphi.sin() / chord.clamp_min(1)
    return bend, arc(other[..., 0], bend) - arc(one[..., 0], bend), dz


def _votes(bend: Tensor, ds: Tensor, dz: Tensor, may: Tensor, search: Search) -> Tensor:
    """(n, n_voters) how many of the COMPARED before and behind it agree with each, in a row."""
    votes = torch.zeros_like(ds)
    for apart in range(1, min(COMPARED, ds.shape[1] - 1) + 1):
        one, other = slice(None, -apart), slice(apart, None)
        s, length = (x[:, one].abs() + x[:, other].abs() for x in (ds, torch.hypot(ds, dz)))
        off = ds[:, one] * dz[:, other] - ds[:, other] * dz[:, one]
        turn = ds[:, one] * ds[:, other] * (bend[:, one] - bend[:, other])
        off, turn = off / (length + 1) / search.z_error, turn / (s + 1) / search.phi_error
        agree = torch.exp(-(off**2 + turn**2) / 2) * (may[:, one] & may[:, other])
        agree = agree * _apart(ds[:, one] - ds[:, other], dz[:, one] - dz[:, other])
        votes[:, one] += agree
        votes[:, other] += agree
    return votes


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


def on_better_lines(position: Tensor, lines: Lines, rank: Tensor) -> Tensor:
    """(n,) bool, the hits through which the line of one goes that ranks higher."""
    dr, dphi, dz = step(position[:, None], position)
    across = dz * lines.angle.cos()[:, None] - dr * lines.angle.sin()[:, None]
    turn = dphi - lines.bend[:, None] * dr
    on = (turn.abs() < ON_LINE * PIXELS.phi_error) & (across.abs() < ON_LINE * PIXELS.z_error)
    return (on & _apart(dr, dz) & (rank[:, None] > rank)).any(dim=0)


def step(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """dr, dphi and dz from one hit (..., 3) to another."""
    dr, dphi, dz = (other - one).unbind(-1)
    return dr, (dphi + pi) % (2 * pi) - pi, dz


def _away(x: Tensor, least: float = 1.0) -> Tensor:
    """x, but no nearer to 0 than that."""
    return torch.where(x.abs() < least, torch.where(x < 0, -least, least), x)


def _apart(dr: Tensor, dz: Tensor) -> Tensor:
    return (dr.abs() > APART[0]) | (dz.abs() > APART[1])


def _angle(dr: Tensor, dz: Tensor) -> Tensor:
    """Of a line, whichever way it is followed."""
    return torch.atan2(torch.where(dr < 0, -dz, dz), dr.abs())
