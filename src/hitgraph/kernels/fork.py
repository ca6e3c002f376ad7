"""A process that was forked from one that has computed: its threads did not come along.

The libraries beneath torch would wait for them for ever, so a child computes with one thread. It
gets the same tracks; for speed, start processes with multiprocessing's method `spawn`.
"""

import os
import sys

_child = False


def in_forked_child() -> bool:
    """Whether this process was forked from one that had the kernels loaded."""
    return _child


def _compute_with_one_thread() -> None:
    global _child  # noqa: PLW0603
    _child = True
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_compute_with_one_thread)
