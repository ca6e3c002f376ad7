"""A kernel is compiled anew when what it calls has changed, though its own file has not."""

import os
import subprocess
import sys
from pathlib import Path

import hitgraph
from hitgraph.kernels.stamp import sources

CALLER = "from hitgraph.called import called\nfrom hitgraph.kernels.jit import kernel\n\n\n"
CALLER += "@kernel\ndef calling():\n    return called()\n"
CALLED = "from hitgraph.kernels.jit import formula\n\n\n@formula\ndef called():\n    return {}\n"


def package(folder: Path) -> Path:
    """A copy of what kernels need, and two files more."""
    own = Path(hitgraph.__file__).parent
    copy = folder / "hitgraph"
    copy.mkdir()
    for name in ("__init__.py", "_version.py", "cores.py", "offered.py"):
        (copy / name).write_bytes((own / name).read_bytes())
    (copy / "kernels").mkdir()
    for path in (own / "kernels").glob("*.py"):
        (copy / "kernels" / path.name).write_bytes(path.read_bytes())
    (copy / "calling.py").write_text(CALLER)
    return copy


def ask(folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    environment.pop("NUMBA_CACHE_DIR", None)
    command = (sys.executable, "-c", "from hitgraph.calling import calling; print(calling())")
    return subprocess.run(
        command, env=environment, text=True, check=True, capture_output=True
    ).stdout.strip()


def test_a_kernel_follows_the_formula_that_it_calls(tmp_path: Path) -> None:
    called = package(tmp_path) / "called.py"
    for answer in ("1", "2"):
        called.write_text(CALLED.format(answer))
        assert ask(tmp_path) == answer


def test_other_files_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "kernel.py").write_text("from numba import njit\n")
    before = sources(tmp_path)
    (tmp_path / "words.py").write_text("hello = 'hello'\n")
    sources.cache_clear()
    assert sources(tmp_path) == before
    (tmp_path / "kernel.py").write_text("from numba import njit, prange\n")
    sources.cache_clear()
    assert sources(tmp_path) != before
