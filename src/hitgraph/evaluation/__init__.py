"""How good the tracks are: numbers, plots, event displays."""

from hitgraph.evaluation.edges import (
    EdgeMetrics,
    EdgeTruth,
    ScoreHistogram,
    edge_metrics,
    edge_truth,
    score_histogram,
)
from hitgraph.evaluation.matching import MATCHINGS, TrackMatches, match_tracks
from hitgraph.evaluation.metrics import Metrics, combine, evaluate, truth_labels
from hitgraph.evaluation.trackml_score import primary_weights, trackml_score

__all__ = [
    "MATCHINGS",
    "EdgeMetrics",
    "EdgeTruth",
    "Metrics",
    "ScoreHistogram",
    "TrackMatches",
    "combine",
    "edge_metrics",
    "edge_truth",
    "evaluate",
    "match_tracks",
    "primary_weights",
    "score_histogram",
    "trackml_score",
    "truth_labels",
]
