"""What a study gives: tables for people, figures, and numbers for programs."""

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hitgraph._version import __version__
from hitgraph.files import atomic_write

if TYPE_CHECKING:
    from hitgraph.evaluation.style import Figure


@dataclass(frozen=True)
class Table:
    """Rows of text; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Result:
    """A finished study."""

    tables: tuple[Table, ...]
    figures: Mapping[str, "Figure"]  # by file name without its ending
    data: dict[str, Any]  # JSON-able


def write(result: Result, study: str, settings: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write STUDY.json and each figure as PNG and SVG into `folder`; return their paths."""
    from hitgraph.evaluation.style import png, styled

    paths = [folder / f"{study}.json"]
    content = {"hitgraph": __version__, "study": study, "settings": settings, **result.data}
    with atomic_write(paths[0]) as temporary:
        text = json.dumps(content, indent=1, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    for name, figure in result.figures.items():
        vector = io.BytesIO()
        with styled():
            figure.savefig(vector, format="svg", facecolor="white", metadata={"Date": None})
        for suffix, content_of in ((".png", png(figure)), (".svg", vector.getvalue())):
            paths.append(folder / f"{name}{suffix}")
            with atomic_write(paths[-1]) as temporary:
                temporary.write_bytes(content_of)
    return paths


def file_name(text: str) -> str:
    """`text` with everything but letters, digits, point and dash made an underscore."""
    return re.sub(r"[^\w.\-]+", "_", text).strip("_.") or "_"
