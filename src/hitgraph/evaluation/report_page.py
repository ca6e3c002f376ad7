"""What a page of the report is made of: headings, figures, tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hitgraph.evaluation.style import Figure, put_label, save, svg
from hitgraph.evaluation.tables import Row
from hitgraph.files import atomic_write

Files = tuple[Literal["pdf", "svg", "png"], Path]  # format and folder of figures


@dataclass(frozen=True)
class Picture:
    """A figure as it stands on the page."""

    svg: str
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class Block:
    """One heading of the report with what stands under it."""

    title: str
    text: str = ""
    pictures: tuple[Picture, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()


@dataclass
class Pictures:
    """Turns figures into SVG, each with a name of its own so that ids on the page differ.

    With an experiment's `label`, and each as a file too where `files` says in which format and
    folder.
    """

    label: str = ""
    files: Files | None = None
    count: int = 0

    def picture(self, figure: Figure, name: str, caption: str, wide: bool = False) -> Picture:
        self.count += 1
        if self.label:
            put_label(figure, self.label)
        if self.files is not None:
            form, folder = self.files
            with atomic_write(folder / f"{name}.{form}") as temporary:
                save(figure, temporary, form)
        return Picture(svg(figure, f"f{self.count}", caption), caption, wide)
