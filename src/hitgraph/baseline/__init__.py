"""The traditional chain through pyacts, to stand beside ours (extra `sim`)."""

from hitgraph.acts.geometry import require_acts

require_acts("the baseline")
