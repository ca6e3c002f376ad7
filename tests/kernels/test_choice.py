"""Which kernels work on what."""

import torch

from hitgraph.kernels.choice import for_host, torch_only


def test_the_kernels_of_the_host_take_what_lies_in_its_memory() -> None:
    assert for_host(torch.zeros(1))
    assert not for_host(torch.zeros(1, device="meta"))


def test_torch_alone_until_the_block_is_left() -> None:
    tensor = torch.zeros(1)
    with torch_only():
        assert not for_host(tensor)
        with torch_only():
            assert not for_host(tensor)
        with torch_only(False):
            assert for_host(tensor)
        assert not for_host(tensor)
    assert for_host(tensor)
