"""The weights of the edge half of a round."""

from typing import NamedTuple

from torch import Tensor


class Weights(NamedTuple):
    """Weights of one round; h is the width of a state, m that of the hidden layer."""

    first: Tensor  # W_1 (m, h)
    first_bias: Tensor  # (m,)
    second: Tensor  # W_2 (h, m)
    second_bias: Tensor  # (h,)
    gate: Tensor | None  # w_g (1, h); None: every message counts in full
    gate_bias: Tensor | None  # (1,)
