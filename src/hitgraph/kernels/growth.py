"""Arrays that grow while they are filled: nobody knows before how many pairs there are."""

import numpy as np

from hitgraph.kernels.jit import exact


@exact
def doubled(found):  # type: ignore[no-untyped-def]
    """The columns of found (k, n) in an array of twice as many, of which the others are anything.

    A loop: with a slice in its place numba compiles the text of an error as well, for seconds.
    """
    n_rows, n = found.shape
    longer = np.empty((n_rows, 2 * n), found.dtype)
    for row in range(n_rows):
        for column in range(n):
            longer[row, column] = found[row, column]
    return longer
