"""Sums of messages at hits in onnxruntime: what the export makes, and what else ONNX could do.

    python benchmarks/scatter.py [--edges 250000 --hits 60000 --width 32]

CPU seconds of one thread, the median of five runs, and the largest difference from sums in 64 bits.
`running` needs the edges in the order of their hits; its sorting is not counted.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from hitgraph.cli.console import say

FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64
Inputs = dict[str, np.ndarray]


def session(nodes: list[Any], inputs: Inputs, constants: Inputs) -> Callable[[], np.ndarray]:
    """A graph that gives "sums"."""
    kinds = {name: INT if one.dtype == np.int64 else FLOAT for name, one in inputs.items()}
    graph = helper.make_graph(
        nodes,
        "scatter",
        [
            helper.make_tensor_value_info(name, kinds[name], one.shape)
            for name, one in inputs.items()
        ],
        [helper.make_tensor_value_info("sums", FLOAT, None)],
        [numpy_helper.from_array(one, name) for name, one in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    made = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: made.run(None, inputs)[0]


def ways(
    place: np.ndarray, messages: np.ndarray, n_hits: int
) -> dict[str, Callable[[], np.ndarray]]:
    zeros = np.zeros((n_hits, messages.shape[1]), np.float32)
    node = helper.make_node
    by_rows = session(
        [node("ScatterND", ["zeros", "place", "messages"], ["sums"], reduction="add")],
        {"zeros": zeros, "place": place[:, None], "messages": messages},
        {},
    )
    rows = np.repeat(place[:, None], messages.shape[1], axis=1)
    by_elements = session(
        [
            node(
                "ScatterElements", ["zeros", "place", "messages"], ["sums"], axis=0, reduction="add"
            )
        ],
        {"zeros": zeros, "place": rows, "messages": messages},
        {},
    )
    order = np.argsort(place, kind="stable")
    ends = np.searchsorted(place[order], np.arange(n_hits + 1))
    running = session(
        [
            node("CumSum", ["messages", "axis"], ["total"]),
            node("Concat", ["zero", "total"], ["padded"], axis=0),
            node("Gather", ["padded", "begin"], ["before"]),
            node("Gather", ["padded", "end"], ["after"]),
            node("Sub", ["after", "before"], ["sums"]),
        ],
        {"messages": messages[order], "begin": ends[:-1], "end": ends[1:]},
        {"axis": np.array(0), "zero": np.zeros((1, messages.shape[1]), np.float32)},
    )
    return {"ScatterND (the export)": by_rows, "ScatterElements": by_elements, "running": running}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, usual in (("edges", 250_000), ("hits", 60_000), ("width", 32)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    args = parser.parse_args()
    random = np.random.default_rng(1)
    place = random.integers(args.hits, size=args.edges)
    messages = random.normal(size=(args.edges, args.width)).astype(np.float32)
    exact = np.zeros((args.hits, args.width))
    np.add.at(exact, place, messages)
    for name, run in ways(place, messages, args.hits).items():
        error = np.abs(run() - exact).max()
        seconds = []
        for _ in range(5):
            begun = time.process_time()
            run()
            seconds.append(time.process_time() - begun)
        say(f"{name:24} {median(seconds) * 1000:8.1f} ms   largest difference {error:.1e}")


if __name__ == "__main__":
    main()
