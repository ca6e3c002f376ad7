"""When a compiled kernel that is kept on the disk is out of date.

numba looks at the file of the function alone, but a kernel holds what it calls and the constants
it reads, which stand in other files too: after an update it would go on with the old ones.
"""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba.core.caching import _SourceFileBackedLocatorMixin as _Locator

_PACKAGE = Path(__file__).parents[1]
_numbas_stamp = _Locator.get_source_stamp


@cache
def sources(package: Path = _PACKAGE) -> str:
    """One digest of all files below `package` that have kernels or say how they are compiled."""
    digest = sha256()
    for path in sorted(package.rglob("*.py")):
        text = path.read_bytes()
        if b"numba" in text or b"hitgraph.kernels" in text:
            digest.update(path.relative_to(package).as_posix().encode())
            digest.update(text)
    return digest.hexdigest()


def _stamp(locator: Any) -> Any:
    own = _numbas_stamp(locator)
    return (own, sources()) if _PACKAGE in Path(locator._py_file).parents else own


def stamp_kernels() -> None:
    """Let all kernels of hitgraph that were compiled from other sources be compiled anew."""
    _Locator.get_source_stamp = _stamp
