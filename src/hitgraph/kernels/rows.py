# ruff: noqa: ARG001  (numba wants a name for every argument of an intrinsic)
"""Steps on rows of a few vectors, for kernels that keep a tile of data in the first-level cache.

How long a row is the compiler does not know, so it prepares its loops for long ones: what remains
of 32 or 96 numbers after its steps of 64 would be done one by one. Here rows are whole vectors. All
arrays are float32 of any shape; a row is n numbers of its memory, n a multiple of LANES.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from hitgraph.kernels.tiles import in_memory
from hitgraph.kernels.vectors import LANES, spread

EPSILON = 1e-5  # of torch's layer norm

_SIZE, _FLOAT = types.intp, ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)
_ZEROS = ir.Constant(_VECTOR, [0.0] * LANES)


class _Rows:
    """The code that an intrinsic becomes: its arguments, with pointers in place of arrays."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.builder = builder
        self.arguments = in_memory(context, builder, signature, arguments)

    def places(self, n: Any) -> Any:
        """A loop over the vectors of a row: where each begins."""
        return cgutils.for_range_slice(self.builder, n.type(0), n, n.type(LANES))

    def pointer(self, array: Any, at: Any, k: Any) -> Any:
        element = self.builder.gep(array, [self.builder.add(at, k)])
        return self.builder.bitcast(element, _VECTOR.as_pointer())

    def load(self, array: Any, at: Any, k: Any) -> Any:
        value = self.builder.load(self.pointer(array, at, k))
        value.align = 4
        return value

    def store(self, value: Any, array: Any, at: Any, k: Any) -> None:
        self.builder.store(value, self.pointer(array, at, k)).align = 4

    def add_product(self, a: Any, b: Any, total: Any) -> Any:
        product = self.builder.fmul(a, b, flags=("contract",))
        return self.builder.fadd(total, product, flags=("contract",))

    def total(self, vector: Any) -> Any:
        """The sum of the numbers of a vector."""
        kind = ir.FunctionType(_FLOAT, [_FLOAT, _VECTOR])
        name = f"llvm.vector.reduce.fadd.v{LANES}f32"
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        nothing = ir.Constant(_FLOAT, -0.0)
        return self.builder.call(function, [nothing, vector], fastmath=("reassoc",))


@intrinsic
def add_scaled(
    typing_context: Any, out: Any, out_at: Any, factor: Any, a: Any, a_at: Any, n: Any
) -> Any:
    """out[out_at + j] += factor * a[a_at + j] for j < n."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows = _Rows(context, builder, signature, arguments)
        out, out_at, factor, a, a_at, n = rows.arguments
        factors = spread(builder, factor, LANES)
        with rows.places(n) as (k, _):
            total = rows.load(out, out_at, k)
            rows.store(rows.add_product(factors, rows.load(a, a_at, k), total), out, out_at, k)
        return context.get_dummy_value()

    return types.void(out, _SIZE, types.float32, a, _SIZE, _SIZE), generate


@intrinsic
def begin_row(typing_context: Any, out: Any, out_at: Any, a: Any, a_at: Any, n: Any) -> Any:
    """out[out_at + j] = a[a_at + j] for j < n, and 2 n zeros behind that."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows = _Rows(context, builder, signature, arguments)
        out, out_at, a, a_at, n = rows.arguments
        with rows.places(n) as (k, _):
            rows.store(rows.load(a, a_at, k), out, out_at, k)
            rows.store(_ZEROS, out, builder.add(out_at, n), k)
            rows.store(_ZEROS, out, builder.add(out_at, builder.add(n, n)), k)
        return context.get_dummy_value()

    return types.void(out, _SIZE, a, _SIZE, _SIZE), generate


@intrinsic
def normalise_row(typing_context: Any, row: Any, at: Any, n: Any, n_real: Any) -> Any:
    """Layer norm of row[at:at + n] in place, of which those beyond n_real are zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows = _Rows(context, builder, signature, arguments)
        row, at, n, n_real = rows.arguments
        count = builder.sitofp(n_real, _FLOAT)
        total, square = (cgutils.alloca_once_value(builder, _ZEROS) for _ in range(2))
        with rows.places(n) as (k, _):
            builder.store(builder.fadd(builder.load(total), rows.load(row, at, k)), total)
        mean = builder.fdiv(rows.total(builder.load(total)), count)
        means = spread(builder, mean, LANES)
        with rows.places(n) as (k, _):
            off = builder.fsub(rows.load(row, at, k), means)
            builder.store(rows.add_product(off, off, builder.load(square)), square)
        padding = builder.sitofp(builder.sub(n, n_real), _FLOAT)
        squares = rows.total(builder.load(square))
        squares = builder.fsub(squares, builder.fmul(padding, builder.fmul(mean, mean)))
        epsilon = ir.Constant(_FLOAT, float(np.float32(EPSILON)))
        variance = builder.fadd(builder.fdiv(squares, count), epsilon)
        kind = ir.FunctionType(_FLOAT, [_FLOAT])
        root = cgutils.get_or_insert_function(builder.module, kind, "llvm.sqrt.f32")
        deviation = builder.call(root, [variance])
        per = spread(builder, builder.fdiv(ir.Constant(_FLOAT, 1.0), deviation), LANES)
        with rows.places(n) as (k, _):
            off = builder.fsub(rows.load(row, at, k), means)
            rows.store(builder.fmul(off, per), row, at, k)
        return context.get_dummy_value()

    return types.void(row, _SIZE, _SIZE, _SIZE), generate


@intrinsic
def dot(typing_context: Any, a: Any, a_at: Any, b: Any, b_at: Any, n: Any) -> Any:
    """The sum over j < n of a[a_at + j] b[b_at + j]."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows = _Rows(context, builder, signature, arguments)
        a, a_at, b, b_at, n = rows.arguments
        total = cgutils.alloca_once_value(builder, _ZEROS)
        with rows.places(n) as (k, _):
            more = rows.add_product(
                rows.load(a, a_at, k), rows.load(b, b_at, k), builder.load(total)
            )
            builder.store(more, total)
        return rows.total(builder.load(total))

    return types.float32(a, _SIZE, b, _SIZE, _SIZE), generate
