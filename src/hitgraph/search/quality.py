"""What a search can seek, and its key in the numbers of a comparison (hitgraph.compare.output)."""

QUALITIES = {
    "score": "score",  # of TrackML
    "efficiency": "technical",  # of tracks, above 0.5 GeV
    "purity": "track purity",
    "edge-purity": "purity 0.98",  # where 98 % of the true edges are kept
    "auc": "auc",  # area under the ROC curve of the edges
}
