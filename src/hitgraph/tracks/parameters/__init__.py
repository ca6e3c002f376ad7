"""The helix fit: five parameters of each track at the beam line, with their covariance.

A least-squares fit in which particles scatter and lose energy where they have hits. It is written
as a filter in the parameters at the beam line, from the outermost hit of a track inwards, linear
about the flight of a particle with the parameters found before (R. Fruehwirth, NIM A 262 (1987)
444): each hit measures two distances across the flight, and a scattering there changes the
parameters of the piece inside it such that it still leads to that place.

All tracks of an event at once, in torch on any device, in float64.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hitgraph.event.field import CURVATURE, MagneticField
from hitgraph.hits import Hits
from hitgraph.hits.direction import squared_distance
from hitgraph.kernels.choice import Backend, for_host
from hitgraph.tracks.helix import fit_helices
from hitgraph.tracks.parameters import cpu, plain
from hitgraph.tracks.parameters.flight import FieldMap, grid_steps
from hitgraph.tracks.parameters.measured import FitSettings, Modules, measured

HOPELESS = 1e9  # chi2 of a track that fits nowhere
# Errors before the first hit: they must be so large that the fit forgets where it started.
START_ERRORS = (100.0, 1000.0, 1.0, 10.0, 10.0)  # mm, mm, rad, of cot(theta), 1 / GeV


class Fit(NamedTuple):
    """Of each track; columns as hitgraph.event.perigee.PARAMETERS."""

    parameters: Tensor  # (n_tracks, 5) float64
    covariance: Tensor  # (n_tracks, 5, 5) float64
    chi2: Tensor  # (n_tracks,) float64
    ndf: Tensor  # (n_tracks,) int64, negative for a track of one or two hits
    pull: Tensor  # (n_hits, 2) float32, of each hit across its track, against the hits outside it


def fit_tracks(
    hits: Hits,
    labels: Tensor,
    field: MagneticField,
    modules: Modules,
    settings: FitSettings,
    backend: Backend = "auto",
) -> Fit:
    """Fit every track; labels (n_hits,) int64 from 0 without gaps, -1 = none.

    Tracks that fit nowhere keep the parameters of their first guess, with errors as large as those
    before the first hit.
    """
    rows = torch.nonzero(labels >= 0).squeeze(1)
    rows = rows[torch.argsort(squared_distance(hits.position[rows]), stable=True)]
    rows = rows[torch.argsort(labels[rows], stable=True)]
    n = torch.bincount(labels[rows])
    pull = torch.zeros(len(hits), 2, device=labels.device)
    if not len(n):
        nothing = torch.zeros(0, 5, dtype=torch.float64, device=labels.device)
        return Fit(nothing, nothing.new_zeros(0, 5, 5), nothing[:, 0], n, pull)
    seen = measured(hits, rows, modules)
    begin = torch.cat([n.new_zeros(1), torch.cumsum(n, 0)])
    errors = torch.tensor(START_ERRORS, dtype=torch.float64, device=labels.device)
    first = _first_guess(hits.straight[rows].double(), labels[rows], field)
    if for_host(labels, backend):
        found = first.clone()
        arrays = (one.numpy() for one in (begin, *seen))
        grid = (np.stack([field.br, field.bz], axis=2), *grid_steps(field))
        made = cpu.refine(*arrays, *grid, errors.numpy(), settings, found.numpy())
        covariance, chi2, pulls = (torch.from_numpy(one) for one in made)
    else:
        grid_there = FieldMap.of(field, labels.device)
        found, covariance, chi2, pulls = plain.refine(
            first, begin, seen, grid_there, settings, errors
        )
    good = torch.isfinite(covariance).all(2).all(1) & torch.isfinite(chi2) & (chi2 >= 0)
    good &= torch.isfinite(found).all(1)
    failed = torch.linalg.cholesky_ex(torch.where(good[:, None, None], covariance, 0.0)).info
    good &= failed == 0
    found = torch.where(good[:, None], found, first)
    covariance = torch.where(good[:, None, None], covariance, torch.diag(errors**2))
    pull[rows] = pulls.float().nan_to_num(0.0)
    return Fit(
        *_at_beam_line(found, covariance), torch.where(good, chi2, HOPELESS), 2 * n - 5, pull
    )


def _first_guess(straight: Tensor, track: Tensor, field: MagneticField) -> Tensor:
    """(n_tracks, 5) of helices through the beam line; as `start` takes them."""
    helix = fit_helices(straight, track)
    strength = CURVATURE * field.centre
    k = -helix.curvature / strength if strength else torch.zeros_like(helix.curvature)
    return torch.stack([torch.zeros_like(k), helix.z0, helix.phi0, helix.cot, k], dim=1)


def _at_beam_line(found: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
    """From cot(theta) and q/pT to theta and q/p, and phi into (-pi, pi]."""
    d0, z0, phi, cot, k = found.unbind(1)
    sine = 1 / torch.sqrt(1 + cot.square())
    phi = torch.atan2(phi.sin(), phi.cos())
    parameters = torch.stack([d0, z0, phi, torch.atan2(torch.ones_like(cot), cot), k * sine], dim=1)
    change = torch.eye(5, dtype=found.dtype, device=found.device).repeat(len(found), 1, 1)
    change[:, 3, 3] = -sine.square()
    change[:, 4, 3] = -k * cot * sine**3
    change[:, 4, 4] = sine
    moved = change @ covariance @ change.transpose(1, 2)
    return parameters, (moved + moved.transpose(1, 2)) / 2
