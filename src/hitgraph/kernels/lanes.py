# ruff: noqa: ARG001  (numba wants a name for every argument of an intrinsic)
"""Vector steps that the compiler does not find in a loop, for kernels that work on short lists.

A loop that picks rows or table entries by index reads memory that its own writes might change, as
far as the compiler can tell, so it stays with one number at a time. Here these steps are given to
LLVM as vectors of LANES numbers. All arrays are C-contiguous; `n` is a multiple of LANES, and
where a list is shorter, what lies behind its end must be there to be read and written.
"""

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from hitgraph.kernels.tiles import in_memory, spread

_FEATURES = llvm.get_host_cpu_features()
_AVX512 = _FEATURES.get("avx512f", False)
LANES = 16  # float32 in a vector
ENTRIES = 32  # of a table of `add_entries`

_INDEX, _FLOAT = ir.IntType(32), ir.FloatType()
_FLOATS, _INDICES = ir.VectorType(_FLOAT, LANES), ir.VectorType(_INDEX, LANES)


def _same(kind: Any, value: Any) -> Any:
    return ir.Constant(kind, [value] * kind.count)


def _shuffle(builder: Any, a: Any, b: Any, places: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INDEX, len(places)), places))


def _load(builder: Any, pointer: Any, vector: Any) -> Any:
    value = builder.load(builder.bitcast(pointer, vector.as_pointer()))
    value.align = 4
    return value


def _store(builder: Any, value: Any, pointer: Any) -> None:
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer())).align = 4


def _transpose(builder: Any, rows: list[Any]) -> list[Any]:
    """Vectors of the columns of a square of as many rows as each has numbers."""
    n = len(rows)
    step = n // 2
    while step:  # swap the blocks of `step` numbers that lie across the diagonal
        above = [k if not k & step else k + n - step for k in range(n)]
        below = [k + step if not k & step else k + n for k in range(n)]
        for r in range(n):
            if not r & step:
                a, b = rows[r], rows[r + step]
                rows[r] = _shuffle(builder, a, b, above)
                rows[r + step] = _shuffle(builder, a, b, below)
        step //= 2
    return rows


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
            row = ir.VectorType(_FLOAT, width)
            with cgutils.for_range_slice(builder, n.type(0), n, n.type(width)) as (first, _):
                lines = []
                for lane in range(width):
                    place = builder.add(rows_at, builder.add(first, n.type(lane)))
                    index = builder.zext(builder.load(builder.gep(rows, [place])), n.type)
                    start = builder.mul(index, n.type(width))
                    lines.append(_load(builder, builder.gep(table, [start]), row))
                for column, line in enumerate(_transpose(builder, lines)):
                    start = builder.add(out_at, builder.mul(out_row, n.type(column)))
                    _store(builder, line, builder.gep(out, [builder.add(start, first)]))
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
        zero, last = _same(_FLOATS, 0.0), _same(_FLOATS, ENTRIES - 1.0)
        low, scale = spread(builder, low, LANES), spread(builder, scale, LANES)
        table = builder.gep(table, [table_at])
        with cgutils.for_range_slice(builder, n.type(0), n, n.type(LANES)) as (k, _):
            values = _load(builder, builder.gep(value, [builder.add(value_at, k)]), _FLOATS)
            place = builder.fmul(builder.fsub(values, low), scale)
            place = builder.select(builder.fcmp_ordered(">", place, zero), place, zero)
            place = builder.select(builder.fcmp_ordered("<", place, last), place, last)
            entry = _entries(builder, table, builder.fptosi(place, _INDICES))
            at = builder.gep(total, [builder.add(total_at, k)])
            _store(builder, builder.fadd(_load(builder, at, _FLOATS), entry), at)
        return context.get_dummy_value()

    return types.void(
        total, size, value, size, types.float32, types.float32, table, size, size
    ), generate


def _entries(builder: Any, table: Any, places: Any) -> Any:
    """table[places] of vectors; with AVX-512 the table stays in two registers."""
    if not _AVX512:
        entry = ir.Constant(_FLOATS, ir.Undefined)
        for lane in (ir.Constant(_INDEX, lane) for lane in range(LANES)):
            number = builder.load(builder.gep(table, [builder.extract_element(places, lane)]))
            entry = builder.insert_element(entry, number, lane)
        return entry
    kind = ir.FunctionType(_FLOATS, [_FLOATS, _INDICES, _FLOATS])
    name = "llvm.x86.avx512.vpermi2var.ps.512"
    permute = cgutils.get_or_insert_function(builder.module, kind, name)
    halves = [
        _load(builder, builder.gep(table, [ir.Constant(_INDEX, start)]), _FLOATS)
        for start in (0, LANES)
    ]
    return builder.call(permute, [halves[0], places, halves[1]])


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
            score = _load(builder, builder.gep(scores, [builder.add(scores_at, k)]), _FLOATS)
            passes = builder.and_(
                builder.fcmp_ordered(">=", score, cut), _below(builder, builder.sub(n, k))
            )
            _append(builder, out, kept, _load(builder, builder.gep(values, [k]), kind), passes)
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
        lanes = ir.Constant(_INDICES, list(range(LANES)))
        numbers = builder.add(spread(builder, builder.trunc(first, _INDEX), LANES), lanes)
        bits = builder.trunc(bits, ir.IntType(LANES))
        _append(
            builder, out, count, numbers, builder.bitcast(bits, ir.VectorType(ir.IntType(1), LANES))
        )
        return builder.sub(builder.load(count), out_at)

    return types.intp(out, types.intp, types.intp, types.uint32), generate


def _below(builder: Any, n: Any) -> Any:
    """Which lanes have a number below n, at least 1."""
    most = builder.select(builder.icmp_signed("<", n, n.type(LANES)), n, n.type(LANES))
    limit = spread(builder, builder.trunc(most, _INDEX), LANES)
    return builder.icmp_unsigned("<", ir.Constant(_INDICES, list(range(LANES))), limit)


def _append(builder: Any, array: Any, count: Any, values: Any, chosen: Any) -> None:
    """Write the chosen lanes to array[count:], with what is there overwritten up to LANES."""
    letter = "f32" if values.type == _FLOATS else "i32"
    name = f"llvm.experimental.vector.compress.v{LANES}{letter}"
    kind = ir.FunctionType(values.type, [values.type, chosen.type, values.type])
    compress = cgutils.get_or_insert_function(builder.module, kind, name)
    nothing = ir.Constant(values.type, ir.Undefined)
    at = builder.load(count)
    _store(builder, builder.call(compress, [values, chosen, nothing]), builder.gep(array, [at]))
    bits = builder.bitcast(chosen, ir.IntType(LANES))
    number = builder.zext(builder.ctpop(bits), at.type)
    builder.store(builder.add(at, number), count)
