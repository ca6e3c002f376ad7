"""Teaching the networks; the only place that imports lightning."""
