"""From spots of energy to cells above threshold, with noise and the truth by shares."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from hitgraph.simulate.worlds.hgcal.geometry import CELL, HALF_SIDE, Float64, Layers
from hitgraph.simulate.worlds.hgcal.showers import Spots

ROW = round(2 * HALF_SIDE / CELL)  # cells along a side of a layer
NOISE = -1  # instead of a shower


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells that show something, sorted by layer, column and row."""

    layer: NDArray[np.int64]  # (n_cells,)
    column: NDArray[np.int64]  # (n_cells,)
    row: NDArray[np.int64]  # (n_cells,)
    energy: Float64  # (n_cells,) GeV, measured: with noise
    shower: NDArray[np.int64]  # (n_cells,) which left most in it, or NOISE

    @property
    def x(self) -> Float64:
        """(n_cells,) mm, of the middle."""
        return np.asarray((self.column + 0.5) * CELL - HALF_SIDE)

    @property
    def y(self) -> Float64:
        """(n_cells,) mm, of the middle."""
        return np.asarray((self.row + 0.5) * CELL - HALF_SIDE)

    def __len__(self) -> int:
        return len(self.layer)


def deposits(
    spots: Sequence[Spots], axes: Float64, layers: Layers
) -> tuple[NDArray[np.int64], NDArray[np.int64], Float64]:
    """Cell, shower and energy in GeV of what each shower leaves in each cell, rising by cell.

    axes (n_showers, 2) are the slopes dx/dz and dy/dz of lines from the origin. A cell is the
    number (layer * ROW + column) * ROW + row.
    """
    places, energies = [], []
    for number, (one, slope) in enumerate(zip(spots, axes, strict=True)):
        z = layers.z[one.layer]
        column = np.floor((slope[0] * z + one.dx + HALF_SIDE) / CELL).astype(np.int64)
        row = np.floor((slope[1] * z + one.dy + HALF_SIDE) / CELL).astype(np.int64)
        inside = (column >= 0) & (column < ROW) & (row >= 0) & (row < ROW)
        cell = (one.layer * ROW + column) * ROW + row
        places.append((cell * len(spots) + number)[inside])
        energies.append(one.energy[inside])
    place, which = np.unique(np.concatenate(places), return_inverse=True)
    energy = np.bincount(which, weights=np.concatenate(energies), minlength=len(place))
    return place // len(spots), place % len(spots), np.asarray(energy, np.float64)


def read_out(
    left: tuple[NDArray[np.int64], NDArray[np.int64], Float64],
    layers: Layers,
    noise: float,
    threshold: float,
    disc: tuple[float, float, float],
    rng: np.random.Generator,
) -> Cells:
    """The cells above `threshold`, in mips, of those with deposits and those with `noise` alone.

    `disc` is x, y and radius in mm of where there is noise on the front layer; behind, it widens
    with the lines from the origin. A cell with deposits is the shower's that left most in it, or
    NOISE where its noise is more than that.
    """
    cell, which, energy = left
    cells, first = np.unique(cell, return_index=True)
    total = np.add.reduceat(energy, first) if len(cells) else energy
    order = np.lexsort((energy, cell))
    last = np.append(first, len(cell))[1:] - 1
    largest, winner = energy[order][last], which[order][last]
    mip = layers.mip[cells // ROW**2]
    shift = noise * mip * rng.standard_normal(len(cells))
    winner = np.where(shift > largest, NOISE, winner)
    empty, alone = _noise_cells(cells, layers, noise, threshold, disc, rng)
    everything = np.concatenate([cells, empty])
    measured = np.concatenate([total + shift, alone])
    winner = np.concatenate([winner, np.full(len(empty), NOISE)])
    kept = np.flatnonzero(measured > threshold * layers.mip[everything // ROW**2])
    kept = kept[np.argsort(everything[kept])]
    place = everything[kept]
    return Cells(
        layer=place // ROW**2,
        column=place // ROW % ROW,
        row=place % ROW,
        energy=measured[kept],
        shower=winner[kept],
    )


def _noise_cells(
    taken: NDArray[np.int64],
    layers: Layers,
    noise: float,
    threshold: float,
    disc: tuple[float, float, float],
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], Float64]:
    """Cells not `taken` whose noise is above threshold, and that noise in GeV."""
    nothing = np.zeros(0)
    if noise == 0:
        return nothing.astype(np.int64), nothing
    x, y, radius = disc
    chance = float(ndtr(-threshold / noise))
    scale = layers.z / layers.z[0]
    count = rng.poisson(chance * np.pi * (radius * scale / CELL) ** 2)
    layer = np.repeat(np.arange(len(layers)), count)
    reach = radius * np.sqrt(rng.random(len(layer))) * scale[layer]
    angle = rng.uniform(-np.pi, np.pi, len(layer))
    places = x * scale[layer] + reach * np.cos(angle), y * scale[layer] + reach * np.sin(angle)
    column, row = (np.floor((place + HALF_SIDE) / CELL).astype(np.int64) for place in places)
    inside = (column >= 0) & (column < ROW) & (row >= 0) & (row < ROW)
    cell = np.unique((((layer * ROW + column) * ROW) + row)[inside])
    cell = np.setdiff1d(cell, taken, assume_unique=True)
    mips = noise * -ndtri(chance * rng.uniform(1e-9, 1, len(cell)))  # the tail of a Gaussian
    return cell, mips * layers.mip[cell // ROW**2]
