"""The hits of some detector volumes alone: the pixels, for instance."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from hitgraph.errors import InputError
from hitgraph.event.event import Event
from hitgraph.event.rows import select_hits
from hitgraph.event.truth import hit_weights, require_truth

__all__ = ["in_volumes", "reweighted"]


def in_volumes(event: Event, volumes: Collection[int]) -> Event:
    """The event with the hits in these volumes only; all particles and modules stay.

    With truth, hits are weighed anew (`reweighted`), and lengths of particles are those that are
    left. Raises InputError where no hit is left.
    """
    found = np.unique(event.hits.volume_id)
    keep = np.isin(event.hits.volume_id, sorted(volumes))
    if not keep.any():
        raise InputError(
            f"{event.name}: no hit of {event.n_hits} is in volume {_listed(sorted(volumes))}; "
            f"there are hits in {_listed(found.tolist()) or 'none'}"
        )
    left = select_hits(event, keep)
    return left if left.truth is None or left.particles is None else reweighted(left)


def reweighted(event: Event) -> Event:
    """The event with the TrackML weights of the hits it has (`hit_weights`).

    A particle then weighs what its pT says, whatever number of its hits was taken away, as long as
    four are left; so perfect tracks still have a score of 1.
    """
    truth = replace(require_truth(event), weight=hit_weights(event))
    return replace(event, truth=truth)


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
