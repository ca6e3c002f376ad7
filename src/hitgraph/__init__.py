"""Charged-particle track reconstruction with graph neural networks."""

import importlib
from typing import Any

from hitgraph._version import __version__

# what the package offers by its own name, and the module it is imported from when first used
_OFFERED = {
    "Pipeline": "hitgraph.pipeline",
    "evaluate": "hitgraph.evaluation.metrics",
    "read_event": "hitgraph.event.source",
}

__all__ = ["__version__", *_OFFERED]


def __getattr__(name: str) -> Any:
    if name not in _OFFERED:
        raise AttributeError(f"module 'hitgraph' has no attribute {name!r}")
    return getattr(importlib.import_module(_OFFERED[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_OFFERED]
