"""What the processes of pytest-xdist make once for all of them: folders, and compiled kernels."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from hitgraph.search.locks import locked


def made_once(temporary: pytest.TempPathFactory, name: str, make: Callable[[Path], Any]) -> Path:
    """A folder that make(folder) fills, in the process that asks first. Do not write into it."""
    folder, done = place_of_all(temporary) / name, place_of_all(temporary) / f"{name}.done"
    with locked(done.with_suffix(".lock")):
        if not done.exists():
            make(folder)
            done.touch()
    return folder


def place_of_all(temporary: pytest.TempPathFactory) -> Path:
    """A folder of this run of pytest that all of its processes see."""
    own = temporary.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@contextmanager
def each_kernel_compiled_once(locks: Path) -> Iterator[None]:
    """A process waits while another one compiles the same kernel, and then reads it from the disk.

    Locks are taken behind that of numba, and follow the calls among kernels, so never in a circle.
    """
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.dispatcher import Dispatcher

    compile_kernel = Dispatcher.compile

    def compile_alone(kernel: Any, signature: Any) -> Any:
        name = f"{kernel.py_func.__module__}.{kernel.py_func.__qualname__}"
        if not name.startswith("hitgraph."):
            return compile_kernel(kernel, signature)
        with global_compiler_lock, locked(locks / name):
            return compile_kernel(kernel, signature)

    with patch.object(Dispatcher, "compile", compile_alone):
        yield
