"""Operators of torch that ONNX lacks, out of those that it has. Needs the extra `export`."""

from collections.abc import Callable
from typing import Any

import torch
from onnxscript import opset20 as op

_DOUBLE, _INT64 = 11, 7  # of onnx.TensorProto
_HALVINGS = 24  # of a search, among 16 million numbers at most


def hypot(x: Any, y: Any) -> Any:
    """In 64 bits it rounds as torch's does, which curvatures show."""
    a, b = op.Cast(x, to=_DOUBLE), op.Cast(y, to=_DOUBLE)
    return op.CastLike(op.Sqrt(op.Add(op.Mul(a, a), op.Mul(b, b))), x)


def searchsorted(numbers: Any, wanted: Any, right: bool = False, **_: Any) -> Any:
    """How many of the sorted numbers lie below each wanted one (`right`: not above), by halving."""
    n, one = op.Shape(numbers), op.Constant(value_ints=[1])
    below = op.Cast(op.Sub(wanted, wanted), to=_INT64)
    for half in reversed(range(_HALVINGS)):
        more = op.Add(below, op.Constant(value_ints=[1 << half]))
        value = op.Gather(numbers, op.Sub(op.Min(more, n), one))
        lower = op.LessOrEqual(value, wanted) if right else op.Less(value, wanted)
        below = op.Where(op.And(op.LessOrEqual(more, n), lower), more, below)
    return below


def repeat_interleave(count: Any, **_: Any) -> Any:
    """Each row as often as its count: as many rows as end up to a place lie before it.

    torch.onnx has it too, with a table of all rows by all places.
    """
    ends = op.CumSum(count, op.Constant(value_int=0))
    one, zero = op.Constant(value_ints=[1]), op.Constant(value_ints=[0])
    total = op.ReduceSum(count, keepdims=1)
    marks = op.Cast(op.ConstantOfShape(op.Add(total, one)), to=_INT64)
    ones = op.Add(op.Sub(ends, ends), one)
    marks = op.ScatterND(marks, op.Unsqueeze(ends, one), ones, reduction="add")
    return op.Slice(op.CumSum(marks, op.Constant(value_int=0)), zero, total)


OPERATORS: dict[Any, Callable[..., Any]] = {
    torch.ops.aten.hypot.default: hypot,
    torch.ops.aten.searchsorted.Tensor: searchsorted,
    torch.ops.aten.repeat_interleave.Tensor: repeat_interleave,
}
