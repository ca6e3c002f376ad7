"""What kernels ask of the processor's vectors, in LLVM's language: by index, by choice, by column.

LLVM finds the instruction for each where AVX-512 has one. With AVX2 alone it would take the
numbers out one by one; there tables stay in registers too, and what is chosen is moved to the front
by a table of permutations. Vectors have LANES numbers of 32 bits.
"""

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, config


def _features() -> frozenset[str]:
    """What the code of numba may use: the machine's features, or those it is held to."""
    if config.CPU_FEATURES is not None:
        given = str(config.CPU_FEATURES).split(",")
        return frozenset(name[1:] for name in given if name.startswith("+"))
    return frozenset(name for name, there in llvm.get_host_cpu_features().items() if there)


AVX512 = "avx512f" in _features()
AVX2 = not AVX512 and "avx2" in _features()
LANES = 16 if AVX512 else 8  # in a register
ENTRIES = 32  # of a table of `entries`

INDEX, FLOAT = ir.IntType(32), ir.FloatType()
FLOATS, INDICES = ir.VectorType(FLOAT, LANES), ir.VectorType(INDEX, LANES)
_BITS = ir.IntType(LANES)


def same(kind: Any, value: Any) -> Any:
    """A constant vector of equal numbers."""
    return ir.Constant(kind, [value] * kind.count)


def spread(builder: Any, scalar: Any, lanes: int) -> Any:
    """A vector of equal numbers."""
    none = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    zeros = same(ir.VectorType(INDEX, lanes), 0)
    return builder.shuffle_vector(
        builder.insert_element(none, scalar, ir.Constant(INDEX, 0)), none, zeros
    )


def load(builder: Any, pointer: Any, vector: Any) -> Any:
    """A vector that begins at any number."""
    value = builder.load(builder.bitcast(pointer, vector.as_pointer()))
    value.align = 4
    return value


def store(builder: Any, value: Any, pointer: Any) -> None:
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer())).align = 4


def transpose(builder: Any, rows: list[Any]) -> list[Any]:
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


def _shuffle(builder: Any, a: Any, b: Any, places: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INDEX, len(places)), places))


def entries(builder: Any, table: Any, places: Any) -> Any:
    """table[places], of ENTRIES float32 and a vector of indices."""
    if not (AVX512 or AVX2):
        found = ir.Constant(FLOATS, ir.Undefined)
        for lane in (ir.Constant(INDEX, lane) for lane in range(LANES)):
            number = builder.load(builder.gep(table, [builder.extract_element(places, lane)]))
            found = builder.insert_element(found, number, lane)
        return found
    parts = [
        load(builder, builder.gep(table, [ir.Constant(INDEX, start)]), FLOATS)
        for start in range(0, ENTRIES, LANES)
    ]
    if AVX512:
        name = "llvm.x86.avx512.vpermi2var.ps.512"
        return _call(builder, name, FLOATS, [parts[0], places, parts[1]])
    parts = [_permute(builder, part, places) for part in parts]
    while len(parts) > 1:  # the higher bits of an index say which part it is in
        bit = same(INDICES, ENTRIES // len(parts))
        high = builder.icmp_unsigned("!=", builder.and_(places, bit), same(INDICES, 0))
        parts = [
            builder.select(high, second, first)
            for first, second in zip(parts[::2], parts[1::2], strict=True)
        ]
    return parts[0]


def root(builder: Any, values: Any) -> Any:
    """Square roots."""
    return _call(builder, f"llvm.sqrt.v{LANES}f32", FLOATS, [values])


def bits_of(builder: Any, chosen: Any) -> Any:
    """The chosen lanes as the bits of a number."""
    if AVX2:
        signs = builder.bitcast(builder.sext(chosen, INDICES), FLOATS)
        return builder.trunc(_call(builder, "llvm.x86.avx.movmsk.ps.256", INDEX, [signs]), _BITS)
    return builder.bitcast(chosen, _BITS)


def append(builder: Any, array: Any, count: Any, values: Any, chosen: Any) -> None:
    """Write the chosen lanes to array[count:], with what is there overwritten up to LANES.

    Adds their number to what the pointer `count` holds.
    """
    at = builder.load(count)
    bits = bits_of(builder, chosen)
    store(builder, _compress(builder, values, chosen, bits), builder.gep(array, [at]))
    builder.store(builder.add(at, builder.zext(builder.ctpop(bits), at.type)), count)


def _compress(builder: Any, values: Any, chosen: Any, bits: Any) -> Any:
    """The chosen lanes at the front, in order."""
    if AVX2:
        place = builder.gep(
            _permutations(builder), [ir.Constant(INDEX, 0), builder.zext(bits, INDEX)]
        )
        order = builder.load(place)
        order.align = LANES
        return _permute(builder, values, builder.zext(order, INDICES))
    letter = "f32" if values.type == FLOATS else "i32"
    name = f"llvm.experimental.vector.compress.v{LANES}{letter}"
    nothing = ir.Constant(values.type, ir.Undefined)
    return _call(builder, name, values.type, [values, chosen, nothing])


def _permutations(builder: Any) -> Any:
    """A constant: for each choice of lanes, as bits, the chosen ones and then the first again."""
    name, lane = "hitgraph.permutations", ir.VectorType(ir.IntType(8), LANES)
    there = builder.module.globals.get(name)
    if there is not None:
        return there
    rows = []
    for bits in range(2**LANES):
        row = [k for k in range(LANES) if bits >> k & 1]
        rows.append(ir.Constant(lane, row + [0] * (LANES - len(row))))
    table = ir.Constant(ir.ArrayType(lane, len(rows)), rows)
    constant = cgutils.global_constant(builder.module, name, table)
    constant.align = LANES
    return constant


def _permute(builder: Any, values: Any, places: Any) -> Any:
    """values[places mod 8], of eight numbers."""
    name = "llvm.x86.avx2.permps" if values.type == FLOATS else "llvm.x86.avx2.permd"
    return _call(builder, name, values.type, [values, places])


def _call(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)
