"""hitgraph inside ACTS, and ACTS for hitgraph's events (extra `sim`)."""

import importlib
from typing import Any

from hitgraph.acts.geometry import require_acts

# what the package offers by its own name, and the module it is imported from when first used
_OFFERED = {
    "TrackFinder": "hitgraph.acts.finder",
    "add_kalman_fit": "hitgraph.acts.fit",
    "fit_tracks": "hitgraph.acts.fit",
    "write_digitisation": "hitgraph.acts.digitisation",
}

__all__ = [*_OFFERED]


def __getattr__(name: str) -> Any:
    if name not in _OFFERED:
        raise AttributeError(f"module 'hitgraph.acts' has no attribute {name!r}")
    require_acts("hitgraph.acts")
    return getattr(importlib.import_module(_OFFERED[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_OFFERED]
