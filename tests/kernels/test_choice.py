"""Which kernels work on what."""

import torch

from hitgraph.kernels.choice import for_host


def test_the_kernels_of_the_host_take_what_lies_in_its_memory() -> None:
    assert for_host(torch.zeros(1))
    assert for_host(torch.zeros(1), "cpu")
    assert not for_host(torch.zeros(1, device="meta"))


def test_torch_takes_it_where_that_is_asked_for() -> None:
    assert not for_host(torch.zeros(1), "plain")
