"""Arrays that grow keep what is in them."""

import numpy as np

from hitgraph.kernels.growth import doubled


def test_all_columns_are_kept_and_there_is_room_for_as_many() -> None:
    found = np.arange(14, dtype=np.int32).reshape(2, 7)
    longer = doubled(found)
    assert longer.shape == (2, 14)
    assert longer.dtype == np.int32
    np.testing.assert_array_equal(longer[:, :7], found)
