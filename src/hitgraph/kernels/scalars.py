"""Logarithm and exponential of a float32 in a few operations, for loops over vectors.

A call of the library's function keeps the compiler from vector registers.
"""

import numpy as np

from hitgraph.kernels.jit import formula

_LOG_2, _PER_LOG_2 = np.float32(np.log(2.0)), np.float32(1.0 / np.log(2.0))
_ONE, _TWO, _HALF = np.float32(1.0), np.float32(2.0), np.float32(0.5)
_BITS, _BIAS = np.int32(23), np.int32(127)  # of the mantissa; of the exponent
_ROOT_HALF = np.int32(0x3F3504F3)  # the bits of sqrt(1/2)


@formula
def within(value, low, high):  # type: ignore[no-untyped-def]
    """The value limited to [low, high]; low for what is not a number, which no index may be."""
    value = value if value > low else low
    return value if value < high else high


@formula
def log(x):  # type: ignore[no-untyped-def]
    """Natural logarithm of a positive normal float32, to its last two bits or 1e-7."""
    bits = np.float32(x).view(np.int32)
    exponent = (bits - _ROOT_HALF) >> _BITS  # mantissa from sqrt(1/2) to sqrt(2)
    mantissa = np.int32(bits - (exponent << _BITS)).view(np.float32)
    s = (mantissa - _ONE) / (mantissa + _ONE)
    q = s * s
    series = np.float32(1 / 3) + q * (
        np.float32(1 / 5) + q * (np.float32(1 / 7) + q * np.float32(1 / 9))
    )
    return np.float32(exponent) * _LOG_2 + _TWO * s * (_ONE + q * series)


@formula
def exp(x):  # type: ignore[no-untyped-def]
    """e^x of a float32 from -80 to 80, to 1e-5 of itself (1e-6 from -8 to 8)."""
    x = np.float32(x)
    power = np.int32(x * _PER_LOG_2 + np.float32(128.5)) - np.int32(128)  # rounded
    r = x - np.float32(power) * _LOG_2
    series = np.float32(1 / 24) + r * (np.float32(1 / 120) + r * np.float32(1 / 720))
    series = _ONE + r * (_ONE + r * (_HALF + r * (np.float32(1 / 6) + r * series)))
    return series * np.int32((power + _BIAS) << _BITS).view(np.float32)
