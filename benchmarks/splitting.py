"""What splitting events costs: python benchmarks/splitting.py data/train-20 --test data/test-20

Recipes of the interaction network that are taught on whole events, and on pieces (phi sectors)
without and with an overlap, are compared (`hitgraph compare`) on whole test events. An optimiser
step has all pieces of one event, so that all take as many steps.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from hitgraph.cli import main as hitgraph
from hitgraph.recipe import read_recipe
from hitgraph.recipe_files import find_recipe
from hitgraph.settings import to_dict

OVERLAP = 0.1  # rad


def write_recipe(pieces: int, overlap: float, n_train: int, folder: Path) -> Path:
    """The recipe of the interaction network on so many pieces an event."""
    recipe = read_recipe(find_recipe("networks/interaction"))
    content = to_dict(replace(recipe, data=replace(recipe.data, train_events=n_train)))
    (gnn,) = (step for step in content["stages"] if step["name"] == "gnn")
    own: dict[str, Any] = {"sectors": pieces, "overlap": overlap}
    gnn |= own
    gnn["training"]["batches_a_step"] = pieces
    path = folder / f"{pieces}{'_overlap' if overlap else ''}.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--test", nargs="+", required=True)
    parser.add_argument("--events", type=int, default=2, help="that train; one more validates")
    parser.add_argument("--pieces", nargs="+", type=int, default=[8, 32])
    parser.add_argument("--epochs", default="12")
    parser.add_argument("--seeds", nargs="+", default=["1"])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    ways = [(1, 0.0), *((pieces, overlap) for pieces in options.pieces for overlap in (0, OVERLAP))]
    recipes = [write_recipe(*way, options.events, options.out) for way in ways]
    line = ["compare", *map(str, recipes), "--data", *options.data]
    line += ["--test", *options.test, "--epochs", options.epochs, "--seeds", *options.seeds]
    return hitgraph([*line, "--out", str(options.out), "--resume", "--threads", "1", "--quiet"])


if __name__ == "__main__":
    sys.exit(main())
