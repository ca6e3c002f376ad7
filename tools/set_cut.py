"""A pipeline with another cut: python tools/set_cut.py runs/accurate tracks2.score_cut 0.65

Training chooses score cuts by the TrackML score, which does not mind fakes; this sets one by hand,
in the folder, and says so on its card.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from hitgraph.cli.console import say
from hitgraph.files import atomic_write
from hitgraph.pipeline import Pipeline
from hitgraph.tensors import number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pipeline", type=Path, metavar="DIR")
    parser.add_argument("cut", metavar="STAGE.NAME")
    parser.add_argument("value", type=float)
    args = parser.parse_args()
    name, _, key = args.cut.partition(".")
    pipeline = Pipeline.load(args.pipeline)
    tensors = pipeline.stages[name].tensors()
    before = float(tensors[key])
    settings = pipeline.recipe.step(name).settings
    stage = settings.load(pipeline.context, {**tensors, key: number(args.value)})
    replace(pipeline, stages={**pipeline.stages, name: stage}).save(args.pipeline)
    line = f"\n`{args.cut}` was set to {args.value:g} by hand; training had chosen {before:g}.\n"
    card = args.pipeline / "CARD.md"
    with atomic_write(card) as temporary:
        temporary.write_text(card.read_text(encoding="utf-8") + line, encoding="utf-8")
    say(line.strip())


if __name__ == "__main__":
    main()
