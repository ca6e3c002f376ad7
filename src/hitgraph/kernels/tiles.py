# ruff: noqa: ARG001  (numba wants a name for every argument of an intrinsic)
"""Products of small matrices, for kernels that keep a tile of data in the first-level cache.

Calling a library's matrix product costs about as much as such a product itself, and the compiler
does not keep the sums of a loop over arrays in registers. So the innermost step is given to LLVM
as it should be: all ROWS x COLUMNS sums of a tile stay in vector registers, and each step of the
sum loads a row of the second matrix and one number of each row of the first.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from hitgraph.kernels.vectors import AVX512, LANES, spread

Float32 = NDArray[np.float32]

_VECTORS = 2  # registers that a row of a tile takes
ROWS = 8 if AVX512 else 4  # the sums take half of the registers
COLUMNS = _VECTORS * LANES
MAX_WIDTH = 128  # where the weights no longer stay in the cache, a library's product is faster


def padded(width: int) -> int:
    """The next multiple of COLUMNS: the width that the second matrix of a product must have."""
    return -(-width // COLUMNS) * COLUMNS


def whole_rows(width: int) -> int:
    """The next multiple of ROWS: the width of a layer whose neurons are the rows of a tile."""
    return -(-width // ROWS) * ROWS


def pad(array: Float32, *shape: int) -> Float32:
    """The array in a corner of zeros of the given shape: padding that adds nothing to a sum."""
    larger = np.zeros(shape, np.float32)
    larger[tuple(slice(n) for n in array.shape)] = array
    return larger


def _tile(relu: bool) -> Any:
    @intrinsic
    def tile(
        typing_context: Any, out: Any, out_at: Any, out_row: Any,
        one: Any, one_rows: Any, other: Any, other_rows: Any, column: Any,
        a: Any, a_at: Any, a_row: Any, a_step: Any, b: Any, b_at: Any, b_row: Any, n: Any,
    ) -> Any:  # fmt: skip
        size = types.intp
        signature = types.void(
            out, size, size, one, one_rows, other, other_rows, size,
            a, size, size, size, b, size, size, size,
        )  # fmt: skip
        return signature, lambda *code: _write_tile(relu, *code)

    return tile


def in_memory(context: Any, builder: Any, signature: Any, arguments: Any) -> list[Any]:
    """The arguments, with a pointer to its first element in place of each array."""
    return [
        context.make_array(kind)(context, builder, argument).data
        if isinstance(kind, types.Array)
        else argument
        for kind, argument in zip(signature.args, arguments, strict=True)
    ]


def _write_tile(relu: bool, context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """The code of a tile in LLVM's language; see sum_tile."""
    (
        out, out_at, out_row, one, one_rows, other, other_rows, column,
        a, a_at, a_row, a_step, b, b_at, b_row, n,
    ) = in_memory(context, builder, signature, arguments)  # fmt: skip
    vector = ir.VectorType(ir.FloatType(), LANES)
    zeros = ir.Constant(vector, [0.0] * LANES)

    def element(first: Any, stride: Any, times: Any) -> Any:
        times = ir.Constant(first.type, times) if isinstance(times, int) else times
        return builder.add(first, builder.mul(stride, times))

    def element_of(array: Any, place: int) -> Any:
        return builder.gep(array, [ir.Constant(out_at.type, place)])

    def vectors(array: Any, first: Any) -> list[Any]:
        """Pointers to the vectors of a row that begins at an element."""
        steps = (ir.Constant(first.type, v * LANES) for v in range(_VECTORS))
        places = (builder.gep(array, [builder.add(first, step)]) for step in steps)
        return [builder.bitcast(place, vector.as_pointer()) for place in places]

    def load(pointer: Any) -> Any:
        value = builder.load(pointer)
        value.align = 4
        return value

    # Stack slots that are only loaded and stored become registers.
    sums = [[cgutils.alloca_once(builder, vector) for _ in range(_VECTORS)] for _ in range(ROWS)]
    for r, slots in enumerate(sums):
        starts = [
            vectors(start, builder.add(column, builder.load(element_of(rows, r))))
            for start, rows in ((one, one_rows), (other, other_rows))
        ]
        for first, second, slot in zip(*starts, slots, strict=True):
            builder.store(builder.fadd(load(first), load(second)), slot)
    with cgutils.for_range(builder, n) as loop:
        factors = [load(pointer) for pointer in vectors(b, element(b_at, b_row, loop.index))]
        first = element(a_at, a_step, loop.index)
        for r, slots in enumerate(sums):
            number = builder.load(builder.gep(a, [element(first, a_row, r)]))
            scalar = spread(builder, number, LANES)
            for factor, slot in zip(factors, slots, strict=True):
                product = builder.fmul(scalar, factor, flags=("contract",))
                total = builder.fadd(builder.load(slot), product, flags=("contract",))
                builder.store(total, slot)
    for r, slots in enumerate(sums):
        for pointer, slot in zip(vectors(out, element(out_at, out_row, r)), slots, strict=True):
            value = builder.load(slot)
            if relu:  # what is not a number stays it, as in torch
                value = builder.select(builder.fcmp_ordered("<", value, zeros), zeros, value)
            builder.store(value, pointer).align = 4
    return context.get_dummy_value()


# out[r, j] = one[r, j] + other[r, j] + sum over k < n of a[r, k] b[k, j]
#
# for r < ROWS and j < COLUMNS; relu_tile writes max(0, .) of it. Arguments: out, out_at, out_row,
# one, one_rows, other, other_rows, column, a, a_at, a_row, a_step, b, b_at, b_row, n. All arrays
# are float32 of any shape but one_rows and other_rows (ROWS,) intp. In the memory of its array
# (r, j) of out is element out_at + r out_row + j, (r, j) of one is one_rows[r] + column + j, and
# so for other; (r, k) of a is a_at + r a_row + k a_step, (k, j) of b is b_at + k b_row + j.
sum_tile = _tile(relu=False)
relu_tile = _tile(relu=True)
