"""Primary vertices from fitted tracks: finders behind one contract, `hitgraph vertices`."""
