"""What the detector saw: tables, files, geometry, truth."""

import hitgraph.kernels as _kernels  # noqa: F401  (finds a place for those of this folder)
