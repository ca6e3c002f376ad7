"""A process that has computed with several threads is forked."""

import os
import subprocess
import sys

import pytest

COMPUTE = """
import multiprocessing, os, sys
import torch
import hitgraph.kernels
from hitgraph.threads import set_threads

torch.set_num_threads(2)
numbers = torch.rand(600, 600)

def product():
    return (numbers @ numbers).exp().sum()

known = product()  # starts the threads

def child(queue):
    queue.put((torch.get_num_threads(), set_threads(2), torch.isclose(product(), known).item()))

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=child, args=(queue,), daemon=True) for _ in range(2)]
    for one in children:
        one.start()
    print([queue.get(timeout=100) for _ in children])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_children_of_a_fork_compute_with_one_thread_and_do_not_wait_for_others() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", COMPUTE],
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
        env=environment,
    )
    assert done.stdout == "[(1, 1, True), (1, 1, True)]\n"
