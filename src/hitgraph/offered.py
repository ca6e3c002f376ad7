"""Names that a package offers as its own, each imported when it is first asked for."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def offer(
    package: str, names: Mapping[str, str], before: Callable[[], None] = lambda: None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package that offers these names, by the module of each.

    `before` is called before anything is imported: it may refuse.
    """

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        before()
        return getattr(importlib.import_module(names[name]), name)

    def listed() -> list[str]:
        return sorted({*vars(importlib.import_module(package)), *names})

    return get, listed
