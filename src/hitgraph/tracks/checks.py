"""Checks that the track builders share."""

import torch
from torch import Tensor

from hitgraph.errors import InputError, SettingsError
from hitgraph.graph.neighbours import radius_neighbours
from hitgraph.kernels.choice import Backend

MAX_PAIRS = 100_000_000  # of points within a radius: 1.6 GB
_ASKED = 100  # points by which pairs are counted beforehand


class TooManyPairs(InputError):
    """Points lie so densely that their pairs would fill the memory."""


def check_score(key: str, value: float) -> None:
    """A cut on an edge score lies in [0, 1]."""
    if not 0 <= value <= 1:
        raise SettingsError(f"{key}: {value} is not in [0, 1]")


def check_min_hits(value: int) -> None:
    """A track has at least one hit."""
    if value < 1:
        raise SettingsError(f"min_hits: {value} is not allowed, at least 1")


def check_lengths(min_hits: int, max_hits: int) -> None:
    """A track has at least one hit, and the longest is no shorter than the shortest."""
    check_min_hits(min_hits)
    if max_hits < min_hits:
        raise SettingsError(f"max_hits: {max_hits} is below min_hits, {min_hits}")


def check_edges(n_hits: int, edge_index: Tensor, scores: Tensor) -> None:
    """Edges (2, n_edges) between hits that are there, and a score (n_edges,) of each."""
    if edge_index.ndim != 2 or edge_index.shape[0] != 2 or scores.shape != edge_index.shape[1:]:
        raise ValueError(
            f"edge_index has shape {tuple(edge_index.shape)} and scores {tuple(scores.shape)}: "
            "expected (2, n_edges) and (n_edges,)"
        )
    if edge_index.numel() == 0:
        return
    lowest, highest = (int(end) for end in edge_index.aminmax())
    if lowest < 0 or highest >= n_hits:
        raise ValueError(f"edge_index names hits {lowest} to {highest}: expected 0 to {n_hits - 1}")


def check_pairs(points: Tensor, radius: float, n_queries: int, backend: Backend = "auto") -> None:
    """Refuse to look for all neighbours of so many of the points (n_points, d) where they are many.

    Counted by a few points evenly from the first to the last. Raises TooManyPairs.
    """
    n_points = len(points)
    if n_points * n_queries <= MAX_PAIRS:
        return
    asked = torch.linspace(0, n_points - 1, _ASKED, device=points.device).long()
    n_near = radius_neighbours(points[asked], points, radius, backend).shape[1]
    n_pairs = n_near / _ASKED * n_queries
    if n_pairs > MAX_PAIRS:
        raise TooManyPairs(
            f"{n_points:,} points have about {n_pairs:.2g} pairs within a radius of {radius:g}, at "
            f"most {MAX_PAIRS:.2g} are allowed: take a smaller radius, or train the network that "
            "places them for longer"
        )
