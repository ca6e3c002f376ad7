"""Teach recipes side by side, each for the same time on the same events, and judge them on others.

    hitgraph compare networks/gcn networks/attention --data data/pu20 --test data/test-20 \\
        --seconds 300 --out runs/networks
    hitgraph compare a.yaml b.yaml --data data/pu20 --epochs 5 --seeds 1 2 3 --out runs/ab

All recipes have to name the same numbers of training and validation events. Stages that all begin
with, with the same settings, are taught once, or taken from the pipeline of --from; the budget is
for the networks behind them. Prints one table and writes compare.json and compare.png and .svg into
DIR; with several seeds, errors are those of the mean. Every run is kept in DIR/runs: an interrupted
comparison goes on with --resume, also with further recipes and seeds. Needs the extras `train` and
`plot`.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hitgraph.cli import OK, SOME_FAILED
from hitgraph.cli.arguments import (
    add_device,
    add_events,
    add_json,
    add_output,
    add_verbosity,
    add_workers,
    positive,
    set_verbosity,
)

if TYPE_CHECKING:
    from hitgraph.compare.plan import Budget, Plan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recipes",
        nargs="+",
        metavar="RECIPE",
        help="names of shipped recipes, or recipe files; the file's name is that in the table",
    )
    add_events(parser, "--data")
    parser.add_argument(
        "--test",
        nargs="+",
        type=Path,
        metavar="EVENTS",
        default=[],
        help="events to judge on (default: those of --data that no recipe trains or validates on)",
    )
    parser.add_argument(
        "--from",
        dest="start",
        metavar="P",
        help="take stages that all recipes begin with from this pipeline, as far as it has them",
    )
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="CPU seconds of training that each recipe may take, shared among its own networks",
    )
    budget.add_argument("--epochs", type=positive, metavar="N", help="of each network")
    parser.add_argument(
        "--seeds",
        nargs="+",
        type=int,
        metavar="N",
        default=[],
        help="teach each recipe once with each of these (default: with its own)",
    )
    add_output(parser, "folder for the pipelines, the table, the figure and the numbers")
    add_workers(parser)
    add_device(parser)
    add_json(parser)
    add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    from importlib import import_module

    from hitgraph.cli.console import say
    from hitgraph.cli.messages import complain
    from hitgraph.cli.written import show_written
    from hitgraph.compare.plan import Budget
    from hitgraph.errors import MissingExtraError
    from hitgraph.threads import set_threads
    from hitgraph.workers import hire

    set_verbosity(args)
    set_threads(args.threads)
    import_module("hitgraph.evaluation.style")  # first: it may lack its extra
    try:
        from hitgraph.compare.comparison import compare
    except ModuleNotFoundError as error:
        raise MissingExtraError("training", "train") from error
    budget = Budget(args.seconds, args.epochs)
    with hire(args.workers, args.dask) as workers:
        comparison = compare(
            _plan(args, budget),
            budget,
            device=args.device,
            workers=workers,
            resume=args.resume,
            force=args.force,
            quiet=args.quiet,
            report=lambda line: say(line, args.quiet),
        )
    show_written(comparison.result.tables, comparison.preset, comparison.paths, args)
    for key, why in comparison.failed.items():
        complain(f"failed {key}: {why}")
    return SOME_FAILED if comparison.failed else OK


def _plan(args: argparse.Namespace, budget: "Budget") -> "Plan":
    from hitgraph.compare.plan import make_plan
    from hitgraph.errors import SettingsError
    from hitgraph.event.source import list_events
    from hitgraph.recipe import read_recipe
    from hitgraph.recipe_files import find_recipe

    recipes = {}
    for name in args.recipes:
        path = find_recipe(name)
        if path.stem in recipes:
            raise SettingsError(f"{path}: there is another recipe {path.stem}: rename its file")
        recipes[path.stem] = read_recipe(path)
    return make_plan(
        recipes,
        list_events(args.data, args.detectors, args.events),
        list_events(args.test, args.detectors) if args.test else (),
        args.out,
        budget,
        args.seeds,
        args.start,
    )
