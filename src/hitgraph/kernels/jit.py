"""How the kernels of inference are compiled: three decorators."""

from numba import njit

# Without "nnan" and "ninf": a pair at zero distance gives infinities, which every cut refuses.
FAST = {"contract", "reassoc", "nsz", "arcp", "afn"}

# What Python calls. It may make arrays, and lets go of Python's lock, as steps do.
kernel = njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True)

# What runs in the inner loops of a kernel. numba counts the references to each array that a
# function is given, with atomic operations over which cores that share arrays fight: up to two
# thirds of the time of a short function. A step does without (numba's issue 2350), so it must not
# make arrays: whoever calls it does that.
step = njit(fastmath=FAST, cache=True, error_model="numpy", nogil=True, _nrt=False)

# What is computed of a few numbers; it becomes part of the loop that uses it.
formula = njit(fastmath=FAST, error_model="numpy", inline="always")
