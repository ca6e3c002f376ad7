"""Checks that the track builders share."""

from torch import Tensor

from hitgraph.errors import SettingsError


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
