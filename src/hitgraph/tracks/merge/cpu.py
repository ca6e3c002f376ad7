"""The module-exclusive merge on a CPU, one edge after the other. Kernels."""

from hitgraph.kernels.jit import exact
from hitgraph.tracks.unionfind import Int64, find_root, may_unite, single_groups, unite


@exact
def merge_groups(source: Int64, target: Int64, module: Int64, max_hits: int, n_given: int) -> Int64:
    """(n_hits,) parent of each hit after merging along the edges in the order given.

    The first `n_given` edges are taken whatever they join: groups that are there already.
    """
    groups = single_groups(module)
    parent: Int64 = groups[0]
    for edge in range(len(source)):
        a = find_root(parent, source[edge])
        b = find_root(parent, target[edge])
        if a == b:
            continue
        if edge < n_given or may_unite(a, b, groups, module, max_hits):
            unite(a, b, groups)
    return parent
