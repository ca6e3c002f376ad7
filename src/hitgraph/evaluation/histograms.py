"""Counts of a comparison as histograms for other programs: ROOT and hist (extra `root`) and JSON.

Efficiencies are pairs of histograms, NAME_passed and NAME_total, with the names that the
performance files of ACTS give them; TEfficiency in ROOT is made of such a pair. Bins are always the
fine ones that events are counted in, so that files of several samples add up (hadd).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hitgraph._version import __version__
from hitgraph.errors import MissingExtraError
from hitgraph.evaluation.bins import LENGTH
from hitgraph.evaluation.comparison import Comparison
from hitgraph.event.trees import uproot_for
from hitgraph.files import atomic_write

KINDS = {
    "physics efficiency": "trackeff",
    "technical efficiency": "trackeff_technical",
    "purity": "purity",
}
VARIABLES = {"pt": "pT", "eta": "eta", "phi": "phi", "radius": "prodR", "length": "nHits"}
UNITS = {"pT": "pT [GeV]", "prodR": "production radius [mm]", "nHits": "hits"}


@dataclass(frozen=True)
class Histogram:
    """Counts in bins between `edges`; what lies beyond them is in the outermost."""

    variable: str
    edges: tuple[float, ...]  # (n_bins + 1,)
    counts: tuple[int, ...]  # (n_bins,)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, by the schema of UHI (version 1), which hist and boost-histogram read."""
        axis = {
            "type": "variable",
            "edges": list(self.edges),
            "underflow": False,
            "overflow": False,
            "circular": False,
            "metadata": {"name": self.variable, "label": UNITS.get(self.variable, self.variable)},
        }
        return {
            "uhi_schema": 1,
            "writer_info": {"hitgraph": {"version": __version__}},
            "axes": [axis],
            "storage": {"type": "int", "values": list(self.counts)},
        }

    def to_hist(self) -> Any:
        """The same as a `hist.Hist`. Raises MissingExtraError where hist is not installed."""
        try:
            import hist
        except ImportError as error:
            raise MissingExtraError("a histogram as hist.Hist", "root") from error
        label = UNITS.get(self.variable, self.variable)
        axis = hist.axis.Variable(
            self.edges, name=self.variable, label=label, underflow=False, overflow=False
        )
        filled = hist.Hist(axis, storage=hist.storage.Int64())
        filled[...] = np.asarray(self.counts)
        return filled


def histograms(comparison: Comparison) -> dict[str, Histogram]:
    """All counts by name, COLUMN/MATCHING/NAME_passed and _total, COLUMN/nHits_tracks."""
    found = {}
    for column, metrics in comparison.metrics.items():
        for matching, matched in metrics.matchings.items():
            folder = f"{column}/{matching.replace(' ', '_')}"
            for name, curve in matched.curves.items():
                kind, _, variable = name.partition(" vs ")
                of = VARIABLES[variable]
                for what in ("passed", "total"):
                    one = Histogram(of, curve.edges, getattr(curve, what))
                    found[f"{folder}/{KINDS[kind]}_vs_{of}_{what}"] = one
        for what in ("track", "particle"):
            counts = getattr(metrics, f"{what}_lengths")
            found[f"{column}/nHits_{what}s"] = Histogram("nHits", LENGTH.edges, counts)
    return found


def write_root_histograms(comparison: Comparison, path: str | Path) -> None:
    """Write them as TH1D, in a TDirectory for each column and matching.

    Raises MissingExtraError without uproot, HitgraphError where the file cannot be written.
    """
    uproot = uproot_for("writing ROOT files")
    with atomic_write(path) as temporary, uproot.recreate(temporary) as file:
        for name, one in histograms(comparison).items():
            counts = np.asarray(one.counts, np.float64)
            file[name.replace(";", "_")] = (counts, np.asarray(one.edges))


def write_json_histograms(comparison: Comparison, path: str | Path) -> None:
    """Write them as one JSON object, by name. Raises HitgraphError where it cannot be written."""
    content = {name: one.to_dict() for name, one in histograms(comparison).items()}
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
