# ruff: noqa: ARG001  (numba wants a name for every argument of an intrinsic)
"""Vector steps that the compiler does not find in a loop, for kernels that work on short lists.

A loop that picks rows or table entries by index reads memory that its own writes might change, as
far as the compiler can tell, so it stays with one number at a time. Here these steps are given to
LLVM as vectors of LANES numbers. All arrays are C-contiguous; `n` is a multiple of LANES, and
where a list is shorter, what lies behind its end must be there to be read and written.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from hitgraph.kernels.tiles import in_memory
from hitgraph.kernels.vectors import (
    ENTRIES,
    FLOAT,
    FLOATS,
    INDEX,
    INDICES,
    LANES,
    append,
    entries,
    load,
    same,
    spread,
    store,
    transpose,
)

__all__ = [
    "ENTRIES",
    "LANES",
    "add_entries",
    "list_bits",
    "take_above",
    "take_rows_4",
    "take_rows_8",
    "take_rows_16",
]


def _take_rows(width: int) -> Any:
    @intrinsic
    def take(
        typing_context: Any, out: Any, out_at: Any, out_row: Any, table: Any, rows: Any,
        rows_at: Any, n: Any,
    ) -> Any:  # fmt: skip
        size = types.intp

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            out, out_at, out_row, table, rows, rows_at, n = in_memory(
                context, builder, signature, arguments
            )
            side = min(width, LANES)  # of the squares that rows are cut into
            row = ir.VectorType(FLOAT, side)
            with cgutils.for_range_slice(builder, n.type(0), n, n.type(side)) as (first, _):
                starts = []
                for lane in range(side):
                    place = builder.add(rows_at, builder.add(first, n.type(lane)))
                    index = builder.zext(builder.load(builder.gep(rows, [place])), n.type)
                    starts.append(builder.mul(index, n.type(width)))
                for left in range(0, width, side):
                    places = [builder.add(start, n.type(left)) for start in starts]
                    lines = [load(builder, builder.gep(table, [at]), row) for at in places]
                    for column, line in enumerate(transpose(builder, lines), left):
                        start = builder.add(out_at, builder.mul(out_row, n.type(column)))
                        store(builder, line, builder.gep(out, [builder.add(start, first)]))
            return context.get_dummy_value()

        return types.void(out, size, size, table, rows, size, size), generate

    return take


# out[out_at + c out_row + k] = table[rows[rows_at + k], c]   for k < n and c < 4, 8 or 16
#
# Rows of a table (n_rows, 4, 8 or 16) float32, picked by number (uint32) and laid out by column.
# Arguments: out, out_at, out_row, table, rows, rows_at, n.
take_rows_4 = _take_rows(4)
take_rows_8 = _take_rows(8)
take_rows_16 = _take_rows(16)


@intrinsic
def add_entries(
    typing_context: Any, total: Any, total_at: Any, value: Any, value_at: Any,
    low: Any, scale: Any, table: Any, table_at: Any, n: Any,
) -> Any:  # fmt: skip
    """total[total_at + k] += table[table_at + bin(value[value_at + k])] for k < n, float32.

    The bin of a value is (value - low) * scale, limited to the ENTRIES of the table; what is not
    a number has the first.
    """
    size = types.intp

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        total, total_at, value, value_at, low, scale, table, table_at, n = in_memory(
            context, builder, signature, arguments
        )
        zero, last = same(FLOATS, 0.0), same(FLOATS, ENTRIES - 1.0)
        low, scale = spread(builder, low, LANES), spread(builder, scale, LANES)
        table = builder.gep(table, [table_at])
        with cgutils.for_range_slice(builder, n.type(0), n, n.type(LANES)) as (k, _):
            values = load(builder, builder.gep(value, [builder.add(value_at, k)]), FLOATS)
            place = builder.fmul(builder.fsub(values, low), scale)
            place = builder.select(builder.fcmp_ordered(">", place, zero), place, zero)
            place = builder.select(builder.fcmp_ordered("<", place, last), place, last)
            entry = entries(builder, table, builder.fptosi(place, INDICES))
            at = builder.gep(total, [builder.add(total_at, k)])
            store(builder, builder.fadd(load(builder, at, FLOATS), entry), at)
        return context.get_dummy_value()

    return types.void(
        total, size, value, size, types.float32, types.float32, table, size, size
    ), generate


@intrinsic
def take_above(
    typing_context: Any, out: Any, out_at: Any, values: Any, values_at: Any,
    scores: Any, scores_at: Any, cut: Any, n: Any,
) -> Any:  # fmt: skip
    """Copy values[values_at + k], k < n, with a score of at least cut to out[out_at:]; how many.

    The values have 32 bits; n may be any number. They may go to their own front; the scores
    themselves last.
    """
    size = types.intp

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        out, out_at, values, values_at, scores, scores_at, cut, n = in_memory(
            context, builder, signature, arguments
        )
        kind = ir.VectorType(context.get_data_type(signature.args[0].dtype), LANES)
        kept = cgutils.alloca_once_value(builder, n.type(0))
        values, out = builder.gep(values, [values_at]), builder.gep(out, [out_at])
        cut = spread(builder, cut, LANES)
        with cgutils.for_range_slice(builder, n.type(0), n, n.type(LANES)) as (k, _):
            score = load(builder, builder.gep(scores, [builder.add(scores_at, k)]), FLOATS)
            passes = builder.and_(
                builder.fcmp_ordered(">=", score, cut), _below(builder, builder.sub(n, k))
            )
            append(builder, out, kept, load(builder, builder.gep(values, [k]), kind), passes)
        return builder.load(kept)

    return size(out, size, values, size, scores, size, types.float32, size), generate


@intrinsic
def list_bits(typing_context: Any, out: Any, out_at: Any, first: Any, bits: Any) -> Any:
    """Write first + k to out[out_at:] for each bit k, below LANES, that is set; how many.

    out has 32 bits, and up to LANES numbers of it are written over.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        out, out_at, first, bits = in_memory(context, builder, signature, arguments)
        count = cgutils.alloca_once_value(builder, out_at)
        lanes = ir.Constant(INDICES, list(range(LANES)))
        numbers = builder.add(spread(builder, builder.trunc(first, INDEX), LANES), lanes)
        bits = builder.trunc(bits, ir.IntType(LANES))
        append(
            builder, out, count, numbers, builder.bitcast(bits, ir.VectorType(ir.IntType(1), LANES))
        )
        return builder.sub(builder.load(count), out_at)

    return types.intp(out, types.intp, types.intp, types.uint32), generate


def _below(builder: Any, n: Any) -> Any:
    """Which lanes have a number below n, at least 1."""
    most = builder.select(builder.icmp_signed("<", n, n.type(LANES)), n, n.type(LANES))
    limit = spread(builder, builder.trunc(most, INDEX), LANES)
    return builder.icmp_unsigned("<", ir.Constant(INDICES, list(range(LANES))), limit)
