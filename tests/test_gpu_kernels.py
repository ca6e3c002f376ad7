"""The kernels of a GPU compile, also where there is none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests import host

ROOT = Path(host.__file__).parents[1]


def test_every_kernel_compiles_for_a_gpu(tmp_path: Path) -> None:
    """In a process of its own: others may have Triton's interpreter on."""
    pytest.importorskip("triton", reason="Triton is not installed (PyTorch for CUDA brings it)")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    run = subprocess.run(
        [sys.executable, "-m", "tests.compiled_for_gpu"],
        cwd=ROOT,
        env={**environment, "TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.splitlines()) == 8
