"""What extension.py times: the calls of the largest kernels in a run, made by numba or by C++."""

import ctypes
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.source import list_events
from hitgraph.gnn.interaction import cpu as interaction
from hitgraph.graph.scored import cpu as scored
from hitgraph.graph.triplets import cpu as triplets
from hitgraph.kernels.tiles import COLUMNS
from hitgraph.pipeline import Pipeline

ROOM = 1 << 18  # pairs of a block of inner hits

# Where the kernels stand, and which of their arguments they change.
KERNELS = {
    "search_scored": (scored, ()),
    "support_edges": (triplets, (13,)),
    "_update_edges": (interaction, (6, 15, 20)),
    "_update_hits": (interaction, (2, 18, 19)),
}
WORK = {
    "scored windows": ("search_scored",),
    "triplets": ("support_edges",),
    "interaction network": ("_update_edges", "_update_hits"),
}
Arguments = tuple[Any, ...]
Before = list[tuple[NDArray[Any], NDArray[Any]]]  # arrays and what was in them


class Call(NamedTuple):
    """Of a kernel, with what it is given; calls of one phase may run side by side."""

    kernel: str
    arguments: Arguments
    phase: int


class Version(NamedTuple):
    name: str
    ready: Callable[[str, Arguments], Callable[[], Any]]  # a call that only has to be made


def recorded(event: str, name: str) -> tuple[list[Call], Before, float]:
    """The calls of KERNELS in a run, arrays they change with a copy of before, the run's CPU s."""
    pipeline, read = Pipeline.load(name), list_events([event])[0].read()
    whole = []
    for _ in range(4):  # the first compiles
        start = time.process_time()
        pipeline.run(read)
        whole.append(time.process_time() - start)
    made: list[tuple[str, Arguments]] = []
    before: dict[int, tuple[NDArray[Any], NDArray[Any]]] = {}

    @contextmanager
    def watched(kernel: str) -> Iterator[None]:
        module, changed = KERNELS[kernel]
        original = getattr(module, kernel)

        def call(*arguments: Any) -> Any:
            for place in changed:
                array = arguments[place]
                before.setdefault(id(array), (array, array.copy()))
            made.append((kernel, arguments))
            return original(*arguments)

        with patch.object(module, kernel, call):
            yield

    with ExitStack() as stack:
        for kernel in KERNELS:
            stack.enter_context(watched(kernel))
        pipeline.run(read)
    # a kernel that begins anew, or another one, waits for what was before
    calls, phase, last = [], 0, ("", 0)
    for kernel, arguments in made:
        if kernel != last[0] or arguments[0] <= last[1]:
            phase += 1
        last = kernel, arguments[0]
        calls.append(Call(kernel, arguments, phase))
    return calls, list(before.values()), min(whole[1:])


def ready_numba(kernel: str, arguments: Arguments) -> Callable[[], Any]:
    function = getattr(KERNELS[kernel][0], kernel)
    return lambda: function(*arguments)


def ready_in(library: ctypes.CDLL) -> Callable[[str, Arguments], Callable[[], Any]]:
    library.search_scored.restype = ctypes.c_int64

    def ready(kernel: str, arguments: Arguments) -> Callable[[], Any]:
        if kernel == "search_scored":
            return ready_search(library.search_scored, arguments)
        function = getattr(library, kernel.removeprefix("_"))
        passed = as_c(ORDER[kernel](*arguments))
        return lambda: function(*passed)

    return ready


def ready_search(function: Callable[..., int], arguments: Arguments) -> Callable[[], Any]:
    begin, end, hits, windows = arguments
    columns, places, clusters, distance2, order, layer, module, starts, span, along_is_z = hits
    first, outer, bounds, reaches, base, low, scale, table, best, cut = windows
    passed = as_c((
        begin, end, columns, columns.shape[1], places, clusters, distance2, order, layer, module,
        starts, len(span), span, along_is_z, first, outer, bounds, reaches, base, low, scale,
        table, best, cut, ROOM,
    ))  # fmt: skip

    def search() -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        pairs, scores = np.empty((2, ROOM), np.int32), np.empty(ROOM, np.float32)
        n = function(*passed, *as_c((pairs[0], pairs[1], scores)))
        assert n >= 0, "more pairs than there is room for"
        return pairs[:, :n].copy(), scores[:n].copy()

    return search


def _support_edges(*given: Any) -> Arguments:
    *graph, weights, support = given
    w1, w2 = weights[2], weights[4]
    return (*graph, *weights, len(w1), len(w2), COLUMNS, support)


def _update_edges(*given: Any) -> Arguments:
    (
        *tensors, gate, gate_bias, residual, gated, is_last, gates,
        classify, classify_bias, last, last_bias, logits, _,
    ) = given  # fmt: skip
    assert all((residual, gated)), "extension/network.cpp knows the network of `compact` only"
    return (
        *tensors, gate, gate_bias, is_last, gates, classify, classify_bias, last, last_bias, logits
    )  # fmt: skip


def _update_hits(*given: Any) -> Arguments:
    lo, hi, hits, n_real, edges, gates, from_start, *lists = given
    *lists, _, source, target, bias, p, q, _ = lists
    assert n_real == hits.shape[1], "extension/network.cpp knows the network of `compact` only"
    n_hits = len(from_start) - 1
    return lo, hi, n_hits, hits, edges, gates, from_start, *lists, source, target, bias, p, q


# The arguments of a kernel as C++ has them.
ORDER: dict[str, Callable[..., Arguments]] = {
    "support_edges": _support_edges,
    "_update_edges": _update_edges,
    "_update_hits": _update_hits,
}


def as_c(arguments: Arguments) -> list[Any]:
    """Arrays by their address; float32, whole numbers and truths."""
    return [
        ctypes.c_void_p(one.ctypes.data)
        if isinstance(one, np.ndarray)
        else ctypes.c_float(one)
        if isinstance(one, np.floating)
        else ctypes.c_int64(one)
        for one in arguments
    ]
