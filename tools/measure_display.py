"""How long a picture of a display takes while it is turned.

    hitgraph display data/test/event000001000 --pipeline compact --stage gnn --out event.html
    python tools/measure_display.py event.html

Turns the 3D view of a page of `hitgraph display` in Chromium without a window, a few pixels a
frame, as a mouse does, and waits for each frame until it is drawn. Without a GPU Chromium draws
with the processor. --pictures DIR keeps each view as PNG, at rest and while it is turned.
"""

import argparse
import base64
import tempfile
from pathlib import Path
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

from browser import Browser, browser

# what is set in the page before it is turned, by name
VIEWS: dict[str, dict[str, float | bool]] = {
    "as it begins": {},
    "without modules": {"modules": False},
    "all pT": {"pt": 0},
    "all pT, all edges": {"pt": 0, "score": 0},
}
SLIDERS = ("pt", "score")
TURN = """new Promise((done) => {
  const canvas = document.getElementById("canvas"), gl = canvas.getContext("webgl2");
  const told = (type, x, buttons) => canvas.dispatchEvent(new PointerEvent(type, {
    pointerId: 1, clientX: x, clientY: 300, buttons, bubbles: true}));
  const times = [], end = performance.now() + %d;
  let x = 200, before = performance.now(), kept = "";
  told("pointerdown", x, 1);
  const step = () => requestAnimationFrame(() => {
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));  // waits for the frame
    const now = performance.now();
    times.push(now - before);
    before = now;
    if (now > end && times.length > 5) {
      kept = canvas.toDataURL("image/png");
      told("pointerup", x, 0);
      setTimeout(rest, 500);
      return;
    }
    told("pointermove", x += 4, 1);
    step();
  });
  const rest = () => {  // all of it, once more
    const start = performance.now();
    document.querySelector("[data-pane='3D']").click();
    requestAnimationFrame(() => {
      gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
      done({times, kept, rest: performance.now() - start, still: canvas.toDataURL("image/png")});
    });
  };
  told("pointermove", x += 4, 1);
  step();
})"""
RENDERER = """(() => {
  const gl = document.getElementById("canvas").getContext("webgl2");
  const more = gl.getExtension("WEBGL_debug_renderer_info");
  return gl.getParameter(more ? more.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
})()"""


def measure(page: Browser, seconds: float, pictures: Path | None) -> Table:
    """A row a view; the first frames, in which the page finds its pace, are left out."""
    table = Table(title=f"ms a frame of the 3D view, {page.evaluate(RENDERER)}")
    for heading in (
        "view",
        "hits",
        "edges",
        "frames",
        "median",
        "90 %",
        "frames a second",
        "at rest",
    ):
        table.add_column(heading, justify="left" if heading == "view" else "right")
    begin = {name: page.evaluate(f"+document.getElementById({name!r}).value") for name in SLIDERS}
    for number, (name, settings) in enumerate(VIEWS.items()):
        for control, value in {**begin, "modules": True, **settings}.items():
            page.set(control, value)
        drawn = page.drawn()
        told = page.evaluate(TURN % (1000 * seconds))
        times = told["times"][len(told["times"]) // 3 :]
        row = [name, f"{drawn['hits']:,}", f"{drawn['edges']:,}", str(len(told["times"]))]
        row += [f"{median(times):.0f}", f"{quantiles(times, n=10)[-1]:.0f}"]
        table.add_row(*row, f"{1000 / median(times):.1f}", f"{told['rest']:.0f}")
        if pictures is not None:
            for what in ("kept", "still"):
                path = pictures / f"{number}-{'turned' if what == 'kept' else 'rest'}.png"
                path.write_bytes(base64.b64decode(told[what].partition(",")[2]))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0, help="of turning, each view")
    parser.add_argument("--pictures", type=Path, metavar="DIR")
    args = parser.parse_args()
    if args.pictures is not None:
        args.pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as page:
        page.open(args.page.resolve())
        page.evaluate("document.querySelector('[data-pane=\"3D\"]').click()")
        Console().print(measure(page, args.seconds, args.pictures))
        for problem in page.problems:
            Console().print(problem)


if __name__ == "__main__":
    main()
