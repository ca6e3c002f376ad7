"""Where compiled kernels are kept between runs, when the usual places cannot be written.

numba keeps them beside the code or in the user's cache folder, and gives up where neither can be
written: a package that an administrator installed, a container without a home, a full disk.
"""

import atexit
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"
NEEDED = 64 << 20  # bytes that all kernels take, twice

_log = logging.getLogger("hitgraph")


def make_sure_of_a_cache() -> None:
    """Let numba keep its kernels in a temporary folder, where it has no other.

    The folder is this process's and its children's own, and goes with it: what others may write
    to is not executed. Does nothing where numba has a folder, or NUMBA_CACHE_DIR names one.
    """
    if os.environ.get(VARIABLE) or any(_can_hold(place) for place in _usual_places()):
        return
    try:
        folder = tempfile.mkdtemp(prefix="hitgraph-kernels-")
    except OSError:  # numba will say so, if a kernel is needed
        return
    atexit.register(_remove, folder, os.getpid())
    os.environ[VARIABLE] = folder
    numba = sys.modules.get("numba")
    if numba is not None:  # it has read its settings
        numba.config.CACHE_DIR = folder
    _log.warning(
        "no folder for compiled kernels can be written, so they are compiled in every run (a "
        "minute or so): let %s name a folder of yours",
        VARIABLE,
    )


def _usual_places() -> tuple[Path, ...]:
    """Where numba looks, in this order."""
    beside = Path(__file__).parent / "__pycache__"
    if sys.platform == "darwin":
        return beside, Path("~/Library/Caches/numba").expanduser()
    users = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return beside, Path(users, "numba")


def _can_hold(folder: Path) -> bool:
    """Whether files can be made there, and there is room for them."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return shutil.disk_usage(folder).free > NEEDED
    except OSError:
        return False


def _remove(folder: str, process: int) -> None:
    if os.getpid() == process:  # and not a child that was forked
        shutil.rmtree(folder, ignore_errors=True)
