"""How good clusters of energy deposits are as showers in a calorimeter (arXiv 2204.01681).

A cluster and a shower match where the energy of the hits that both have is more than half of that
of the hits that either has; each can match one of the other at most. A hit is the shower's that
left most energy in it, and the energy of a shower is that of its hits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.errors import InputError
from hitgraph.evaluation.matching import check_labels
from hitgraph.evaluation.ratio import Ratio, ratio
from hitgraph.evaluation.tables import NOTHING, Row, percent, with_error
from hitgraph.event.event import Event
from hitgraph.event.truth import NOISE, require_particles, require_truth

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

TITLE = "Showers"
CELLS = True

LEAST_OVERLAP = 0.5  # of a match: energy intersection over union, strictly above
ENERGIES = (0.0, 10.0, 30.0, np.inf)  # GeV, of the particle: bins of the rows
ELECTROMAGNETIC = (11, 22)  # PDG codes, of a particle or its antiparticle


@dataclass(frozen=True, eq=False)
class ShowerQuality:
    """Showers and clusters with enough hits, of one event or of several."""

    generated: Float64  # (n_showers,) GeV, energy of the particle
    electromagnetic: Bool  # (n_showers,) an electron or a photon
    energy: Float64  # (n_showers,) GeV, of its hits
    best: Float64  # (n_showers,) GeV, most of that in one cluster
    found: Float64  # (n_showers,) GeV, of the cluster that matches; NaN without one
    cluster: Float64  # (n_clusters,) GeV
    main: Float64  # (n_clusters,) GeV, most of that from one shower
    matched: Bool  # (n_clusters,) whether a shower matches

    @property
    def efficiency(self) -> Ratio:
        """Showers with a match."""
        return self.efficiency_of(np.ones(len(self.energy), bool))

    @property
    def fakes(self) -> Ratio:
        """Clusters without a match."""
        return ratio(~self.matched, np.ones(len(self.matched), bool))

    @property
    def completeness(self) -> float:
        """Share of the showers' energy that is in the best cluster of its shower."""
        return _over(self.best.sum(), self.energy.sum())

    @property
    def purity(self) -> float:
        """Share of the clusters' energy that is from the main shower of its cluster."""
        return _over(self.main.sum(), self.cluster.sum())

    def efficiency_of(self, among: Bool) -> Ratio:
        """The same of those that `among` (n_showers,) marks."""
        return ratio(np.isfinite(self.found), among)

    def response(self, among: Bool, to: Float64) -> Float64:
        """(n,) energy of clusters over `to` (n_showers,), of the matched showers of `among`."""
        chosen = among & np.isfinite(self.found)
        return np.asarray(self.found[chosen] / to[chosen])

    def groups(self) -> dict[str, Bool]:
        """(n_showers,) all showers, those of each kind, those in each bin of ENERGIES."""
        found = {
            "all": np.ones(len(self.energy), bool),
            "electrons and photons": self.electromagnetic,
            "hadrons": ~self.electromagnetic,
        }
        for low, high in pairwise(ENERGIES):
            name = f"{low:g} to {high:g} GeV" if np.isfinite(high) else f"> {low:g} GeV"
            found[name] = (self.generated >= low) & (self.generated < high)
        return found

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "showers": len(self.energy),
            "clusters": len(self.cluster),
            "fake_rate": self.fakes.to_dict(),
            "completeness": _known(self.completeness),
            "purity": _known(self.purity),
            "groups": {name: self._group(among) for name, among in self.groups().items()},
        }

    def _group(self, among: Bool) -> dict[str, Any]:
        numbers: dict[str, Any] = {"efficiency": self.efficiency_of(among).to_dict()}
        for name, to in (("response", self.energy), ("response_to_particle", self.generated)):
            values = self.response(among, to)
            numbers[name] = _known(_mean(values))
            numbers[f"{name}_resolution"] = _known(_resolution(values))
        return numbers


def judge(
    event: Event,
    labels: Int64,
    tracks: Path,  # noqa: ARG001  (nothing stands beside the clusters)
    min_hits: int,
) -> ShowerQuality:
    """Of clusters in a file."""
    return shower_quality(event, labels, min_hits)


def shower_quality(event: Event, labels: Int64, min_hits: int) -> ShowerQuality:
    """Compare clusters `labels` (n_hits,), below 0 = none, with the showers of the truth.

    Showers and clusters of fewer than `min_hits` hits do not count. Raises InputError without
    truth, particles or cells, whose values are the energies.
    """
    check_labels(labels, event.n_hits)
    particle_id, particles = require_truth(event).particle_id, require_particles(event)
    energy = hit_energies(event)
    shower, of_shower = np.unique(particle_id[particle_id != NOISE], return_inverse=True)
    cluster, of_cluster = np.unique(labels[labels >= 0], return_inverse=True)
    row, column = (np.full(event.n_hits, -1) for _ in range(2))
    row[particle_id != NOISE], column[labels >= 0] = of_shower, of_cluster
    shared = np.zeros((len(shower), len(cluster)))
    both = (row >= 0) & (column >= 0)
    np.add.at(shared, (row[both], column[both]), energy[both])
    left, n_left = _sums(row, energy, len(shower))
    held, n_held = _sums(column, energy, len(cluster))
    large, big = n_left >= min_hits, n_held >= min_hits
    shared, left, held = shared[large][:, big], left[large], held[big]
    match = shared > LEAST_OVERLAP * (left[:, None] + held[None, :] - shared)
    of = np.searchsorted(particles.particle_id, shower[large])
    momentum = np.stack([particles.px, particles.py, particles.pz], axis=1).astype(np.float64)[of]
    return ShowerQuality(
        generated=np.linalg.norm(momentum, axis=1),
        electromagnetic=np.isin(np.abs(particles.particle_type[of]), ELECTROMAGNETIC),
        energy=left,
        best=shared.max(axis=1, initial=0.0),
        found=np.where(match.any(axis=1), match @ held, np.nan),
        cluster=held,
        main=shared.max(axis=0, initial=0.0),
        matched=np.asarray(match.any(axis=0)),
    )


def hit_energies(event: Event) -> Float64:
    """(n_hits,) GeV, the sum of the values of each hit's cells. Raises InputError without cells."""
    if event.cells is None:
        raise InputError(
            f"{event.name}: no table of cells, whose values are the energies of hits: put the one "
            "of these events beside the hits"
        )
    row = np.asarray(np.searchsorted(event.hits.hit_id, event.cells.hit_id), np.int64)
    return _by_group(row, event.cells.value, event.n_hits)


def combine(parts: Sequence[ShowerQuality]) -> ShowerQuality:
    """Several events together."""
    return ShowerQuality(
        **{
            one.name: np.concatenate([getattr(part, one.name) for part in parts])
            for one in fields(ShowerQuality)
        }
    )


def rows(columns: Mapping[str, ShowerQuality]) -> list[Row]:
    """Efficiencies, fakes, then energies, one cell a column."""

    def row(name: str, text: Callable[[ShowerQuality], str]) -> Row:
        return Row(name, tuple(text(one) for one in columns.values()))

    names = next(iter(columns.values())).groups()
    return [
        row("clusters / showers", lambda q: f"{len(q.cluster)} / {len(q.energy)}"),
        *(
            row(f"efficiency, {name}", lambda q, n=name: percent(q.efficiency_of(q.groups()[n])))  # type: ignore[misc]
            for name in names
        ),
        row("fake rate", lambda q: percent(q.fakes)),
        row("purity, by energy", lambda q: _text(q.purity)),
        row("completeness, by energy", lambda q: _text(q.completeness)),
        *(
            row(f"response, {name}", lambda q, n=name: _spread(q.response(q.groups()[n], q.energy)))  # type: ignore[misc]
            for name in names
        ),
        *(
            row(
                f"response to the particle, {name}",
                lambda q, n=name: _spread(q.response(q.groups()[n], q.generated)),  # type: ignore[misc]
            )
            for name in ("electrons and photons", "hadrons")
        ),
    ]


def _sums(group: Int64, energy: Float64, n: int) -> tuple[Float64, Int64]:
    """Energy and number of hits of each group, (n,); those of group -1 are left out."""
    inside = group >= 0
    counts = np.bincount(group[inside], minlength=n).astype(np.int64)
    return _by_group(group[inside], energy[inside], n), counts


def _by_group(group: Int64, values: NDArray[np.floating], n: int) -> Float64:
    return np.asarray(np.bincount(group, weights=values, minlength=n), np.float64)


def _mean(values: Float64) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _resolution(values: Float64) -> float:
    """Standard deviation over mean."""
    return float(values.std() / values.mean()) if len(values) > 1 else float("nan")


def _spread(values: Float64) -> str:
    """'0.98 ± 0.01, resolution 0.12': the mean with its error, and how wide."""
    if not len(values):
        return NOTHING
    error = float(values.std() / np.sqrt(len(values)))
    return f"{with_error(_mean(values), error)}, resolution {_text(_resolution(values))}"


def _over(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _text(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else NOTHING
