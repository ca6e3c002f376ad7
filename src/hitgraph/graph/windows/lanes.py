# ruff: noqa: ARG001  (numba wants a name for every argument of an intrinsic)
"""The windows of geometry on LANES hits side by side, for the search of the scored windows."""

from typing import Any

from numba import types
from numba.extending import intrinsic

from hitgraph.kernels.tiles import in_memory
from hitgraph.kernels.vectors import (
    FLOATS,
    INDEX,
    INDICES,
    LANES,
    bits_of,
    load,
    root,
    same,
    spread,
)

_CONTRACT = ("contract",)


@intrinsic
def fitting(typing_context: Any, columns: Any, length: Any, at: Any, hit: Any, limits: Any) -> Any:
    """Bit k is set where hit `hit` and hit at + k, below LANES, pass the windows of geometry.

    columns (6, length) float32: x, y, z, r, eta, 1 / r. hit is x, y, z, r and 1 / r of the inner
    hit, limits the lowest and highest sine of the azimuth difference, half curvature, z0, and eta
    of the outer hit: all float32. What windows.cpu.passes says, without a division: z0 and bend are
    held against limits times what they would be divided by. What is not a number passes none.
    """
    size = types.intp

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        columns, length, at, hit, limits = in_memory(context, builder, signature, arguments)
        x, y, z, r, eta, inverse_r = (
            load(
                builder,
                builder.gep(columns, [builder.add(at, builder.mul(length, length.type(row)))]),
                FLOATS,
            )
            for row in range(6)
        )
        xi, yi, zi, ri, inverse_ri = _spread(builder, hit)
        sine_lo, sine_hi, bend_lo, bend_hi, z0_lo, z0_hi, eta_lo, eta_hi = _spread(builder, limits)

        def minus(a: Any, b: Any) -> Any:
            return builder.fsub(a, b, flags=_CONTRACT)

        def times(a: Any, b: Any) -> Any:
            return builder.fmul(a, b, flags=_CONTRACT)

        def within(value: Any, low: Any, high: Any) -> Any:
            return builder.and_(
                builder.fcmp_ordered(">=", value, low), builder.fcmp_ordered("<=", value, high)
            )

        zero = same(FLOATS, 0.0)
        dx, dy = minus(x, xi), minus(y, yi)
        cross = minus(times(xi, dy), times(yi, dx))
        sine = times(cross, times(inverse_ri, inverse_r))
        distance = root(builder, builder.fadd(times(dx, dx), times(dy, dy), flags=_CONTRACT))
        # The line through both hits meets the beam line at z0 = (zi r - z ri) / (r - ri).
        rise = minus(r, ri)
        sign = builder.and_(builder.bitcast(rise, INDICES), same(INDICES, -(2**31)))
        run = builder.bitcast(builder.xor(builder.bitcast(rise, INDICES), sign), FLOATS)
        moment = minus(times(zi, rise), times(minus(z, zi), ri))
        moment = builder.bitcast(builder.xor(builder.bitcast(moment, INDICES), sign), FLOATS)
        tests = (
            within(sine, sine_lo, sine_hi),
            within(sine, times(bend_lo, distance), times(bend_hi, distance)),
            builder.fcmp_ordered(">", distance, zero),
            within(moment, times(z0_lo, run), times(z0_hi, run)),
            builder.fcmp_ordered(">", run, zero),
            within(eta, eta_lo, eta_hi),
        )
        passed = tests[0]
        for test in tests[1:]:
            passed = builder.and_(passed, test)
        return builder.zext(bits_of(builder, passed), INDEX)

    return types.uint32(columns, size, size, hit, limits), generate


def _spread(builder: Any, numbers: Any) -> list[Any]:
    """A vector of equal numbers of each of a tuple."""
    given = (builder.extract_value(numbers, k) for k in range(len(numbers.type)))
    return [spread(builder, number, LANES) for number in given]
