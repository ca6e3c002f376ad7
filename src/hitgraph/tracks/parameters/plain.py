"""The helix fit in torch on any device: all tracks at once, hit after hit."""

from typing import NamedTuple

import torch
from torch import Tensor

from hitgraph.event.field import CURVATURE
from hitgraph.tracks.parameters.flight import FieldMap, Flight, fly, fly_to, start
from hitgraph.tracks.parameters.measured import (
    LOSS,
    PION,
    RADIATION_LENGTH,
    SCATTERING,
    STEEPEST,
    FitSettings,
    Measured,
)


def refine(
    found: Tensor,
    begin: Tensor,
    seen: Measured,
    field: FieldMap,
    settings: FitSettings,
    start_errors: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Better parameters (n_tracks, 5), their covariance, chi2 (n_tracks,) and pulls (n_hits, 2).

    The hits `seen` of track k are those from begin[k] to begin[k + 1], from the innermost.
    """
    # Longest tracks first: those that have a k-th hit are then the first ones.
    n, order = begin.diff().sort(descending=True, stable=True)
    has = (n[:, None] > torch.arange(int(n.max()), device=n.device)).sum(0).tolist()
    kth = [begin[order[:m]] + k for k, m in enumerate(has)]
    found = found[order]
    pulls = seen.position.new_zeros(len(seen.position), 2)
    covariance, chi2 = found.new_zeros(len(found), 5, 5), found.new_zeros(len(found))
    for _ in range(settings.iterations):
        passes, pipe = _passes(found, seen, kth, field, settings)
        change, covariance, chi2, of_hits = _filtered(passes, found, start_errors)
        covariance = covariance + pipe @ pipe.transpose(1, 2)
        good = torch.isfinite(change).all(1, keepdim=True)
        found = torch.where(good, found + change, found)
        for rows, pull in zip(kth, of_hits, strict=True):
            pulls[rows] = pull
    back = torch.argsort(order)
    return found[back], covariance[back], chi2[back], pulls


class _Pass(NamedTuple):
    """What the flights of m tracks see of their k-th hits."""

    miss: Tensor  # (m, 2) mm, hit - flight, across it: counter-clockwise about the beam, and along
    variance: Tensor  # (m, 2, 2) mm^2, of the hit
    slope: Tensor  # (m, 2, 5), of the place of the flight in the parameters
    kick: Tensor  # (m, 5, 2) parameters a scattering angle, in the two directions


def _passes(
    parameters: Tensor,
    seen: Measured,
    kth: list[Tensor],
    field: FieldMap,
    settings: FitSettings,
) -> tuple[list[_Pass], Tensor]:
    """The flights past all hits, from the innermost, and the kick (n_tracks, 5, 2) of the pipe."""
    flight, found = start(parameters), []
    bend = CURVATURE * field.at(flight.place)[:, 2] * parameters[:, 4]  # clockwise, 1/mm
    sine = torch.hypot(flight.direction[:, 0], flight.direction[:, 1])
    flight = fly(flight, settings.pipe_radius / sine, field)
    pipe = _kick(parameters, bend, flight, settings.pipe / sine)
    for k in kth:
        m = len(k)
        hit = Measured(*(column[k] for column in seen))
        flight = fly_to(flight.first(m), hit.position, field, settings.steps)
        silicon = hit.silicon / (flight.direction * hit.normal).sum(1).abs().clamp(min=STEEPEST)
        kick = _kick(parameters[:m], bend[:m], flight, silicon / RADIATION_LENGTH)
        found.append(_Pass(*_seen(parameters[:m], flight, hit), kick))
        flight = _less_energy(flight, silicon)
    return found, pipe


def _seen(parameters: Tensor, flight: Flight, hit: Measured) -> tuple[Tensor, Tensor, Tensor]:
    """The first three fields of _Pass."""
    across = _across(flight.direction)
    miss = (across @ (hit.position - flight.place)[:, :, None])[:, :, 0]
    axes = across @ hit.axes.transpose(1, 2)
    # d0 moves the flight across its first direction, phi turns it about the beam line.
    x, y, _ = flight.place.unbind(1)
    px, py = parameters[:, 2].cos(), parameters[:, 2].sin()
    nothing = torch.zeros_like(x)
    columns = [
        torch.stack([-py, px, nothing], dim=1),
        torch.stack([nothing, nothing, nothing + 1], dim=1),
        torch.stack([-y, x, nothing], dim=1),
        torch.stack([nothing, nothing, flight.arc], dim=1),
        torch.cat([flight.shift, nothing[:, None]], dim=1),
    ]
    return miss, axes @ axes.transpose(1, 2), across @ torch.stack(columns, dim=2)


def _across(direction: Tensor) -> Tensor:
    """(m, 2, 3) unit vectors across directions: counter-clockwise about the beam, and along it."""
    x, y, cosine = direction.unbind(1)
    sine = torch.hypot(x, y).clamp(min=1e-9)
    x, y = x / sine, y / sine
    aside = torch.stack([-y, x, torch.zeros_like(x)], dim=1)
    return torch.stack([aside, torch.stack([-cosine * x, -cosine * y, sine], dim=1)], dim=1)


def _kick(parameters: Tensor, bend: Tensor, flight: Flight, lengths: Tensor) -> Tensor:
    """(m, 5, 2): what a scattering, one standard deviation in either direction across the flight,
    changes in the parameters of the piece inside, so that it leads to this place as before."""
    _, _, phi, cot, k = parameters.unbind(1)
    px, py = phi.cos(), phi.sin()
    x, y, _ = flight.place.unbind(1)
    ahead, left = x * px + y * py, y * px - x * py  # seen from the beam line, along the start
    shift_x, shift_y = flight.shift.unbind(1)
    shift_ahead, shift_left = shift_x * px + shift_y * py, shift_y * px - shift_x * py
    sine = torch.hypot(flight.direction[:, 0], flight.direction[:, 1]).clamp(min=1e-9)
    nothing = torch.zeros_like(sine)

    def change(turn: Tensor, d_cot: Tensor, d_k: Tensor) -> Tensor:
        turn = turn - flight.turn * d_k
        back = shift_ahead * d_k - left * turn  # the closest approach moves along the track
        d_d0 = -ahead * turn - shift_left * d_k
        d_z0 = cot * back - flight.arc * d_cot
        return torch.stack([d_d0, d_z0, turn - bend * back, d_cot, d_k], dim=1)

    # Across the beam; along it, where the momentum stays and so q/pT does not.
    sideways = change(1 / sine, nothing, nothing)
    upwards = change(nothing, 1 / sine.square(), k * flight.direction[:, 2] / sine)
    return torch.stack([sideways, upwards], dim=2) * _scattering(flight.qop, lengths)[:, None, None]


def _scattering(qop: Tensor, lengths: Tensor) -> Tensor:
    """rad, standard deviation in a plane behind so many radiation lengths (Highland, PDG)."""
    inverse = qop.abs()
    beta = 1 / torch.sqrt(1 + (PION * inverse).square())
    thick = lengths.clamp(min=1e-6)
    return SCATTERING * inverse / beta * thick.sqrt() * (1 + 0.038 * thick.log()).clamp(min=0.1)


def _less_energy(flight: Flight, silicon: Tensor) -> Flight:
    """Behind so many mm of silicon; the loss grows as beta^(-5/3) (PDG) where pions are slow."""
    inverse = flight.qop.abs()
    beta = 1 / torch.sqrt(1 + (PION * inverse).square())
    lost = LOSS * silicon * beta ** (-8 / 3) * inverse  # of the momentum, relative
    return flight._replace(qop=flight.qop / (1 - lost.clamp(max=0.5)))


def _filtered(
    passes: list[_Pass], parameters: Tensor, start_errors: Tensor
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """What to add to the parameters, its covariance, chi2, and the pulls (m, 2) of k-th hits."""
    covariance = torch.diag(start_errors**2).repeat(len(parameters), 1, 1)
    change = torch.zeros_like(parameters)
    chi2 = torch.zeros_like(parameters[:, 0])
    pulls = []
    for one in reversed(passes):
        m = len(one.miss)
        p, x = covariance[:m], change[:m]
        towards = p @ one.slope.transpose(1, 2)  # (m, 5, 2)
        spread = one.slope @ towards + one.variance
        (a, b), (_, d) = spread.permute(1, 2, 0)
        determinant = a * d - b * b
        inverse = torch.stack([d, -b, -b, a], dim=1).view(m, 2, 2) / determinant[:, None, None]
        miss = one.miss[:, :, None] - one.slope @ x[:, :, None]
        gain = towards @ inverse
        change[:m] = x + (gain @ miss)[:, :, 0]
        chi2[:m] += (miss.transpose(1, 2) @ inverse @ miss)[:, 0, 0]
        pulls.append(miss[:, :, 0] / torch.stack([a, d], dim=1).sqrt())
        covariance[:m] = p - gain @ towards.transpose(1, 2) + one.kick @ one.kick.transpose(1, 2)
    return change, covariance, chi2, pulls[::-1]
