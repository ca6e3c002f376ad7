"""Checks that the settings of the track builders share."""

from hitgraph.errors import SettingsError


def check_score(key: str, value: float) -> None:
    """A cut on an edge score lies in [0, 1]."""
    if not 0 <= value <= 1:
        raise SettingsError(f"{key}: {value} is not in [0, 1]")


def check_min_hits(value: int) -> None:
    """A track has at least one hit."""
    if value < 1:
        raise SettingsError(f"min_hits: {value} is not allowed, at least 1")
