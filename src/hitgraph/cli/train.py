"""Train a pipeline from a recipe.

    hitgraph train quickstart --data data/pu20 --out runs/quickstart

RECIPE is a file, or the name of a recipe that comes with hitgraph; a wrong name lists them.
The stages are trained one after another; the folder then holds a pipeline that `hitgraph
reconstruct --pipeline runs/quickstart` runs. Interrupt it at any time and go on with --resume.
"""

import argparse
from pathlib import Path

from hitgraph.cli import OK
from hitgraph.cli.arguments import add_device, add_events, add_verbosity, positive, set_verbosity


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recipe", metavar="RECIPE", help="the name of a shipped recipe, or a recipe file"
    )
    add_events(parser, "--data")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the pipeline folder to write"
    )
    parser.add_argument(
        "--from",
        dest="start",
        metavar="PIPELINE",
        help="take its first stages as they are, as far as the recipe has them with the same names "
        "and settings, and train the others behind them",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the training that was begun in DIR"
    )
    add_device(parser)
    parser.add_argument(
        "--ranks",
        type=positive,
        default=1,
        metavar="N",
        help="processes, or GPUs, that share the batches of a step, see training.batches_a_step "
        "(default 1)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="instead of the recipe's seed")
    parser.add_argument(
        "--keep", action="store_true", help="keep the intermediate graphs of the stages"
    )
    add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    from dataclasses import replace
    from functools import partial

    from hitgraph.cli.console import say
    from hitgraph.errors import MissingExtraError
    from hitgraph.event.source import list_events
    from hitgraph.pipeline import Pipeline
    from hitgraph.recipe import read_recipe
    from hitgraph.recipe_files import find_recipe
    from hitgraph.threads import set_threads

    set_verbosity(args)
    set_threads(args.threads)
    path = find_recipe(args.recipe)
    recipe = read_recipe(path)
    if args.seed is not None:
        recipe = replace(recipe, seed=args.seed)
    sources = list_events(args.data, args.detectors, args.events)
    try:
        from hitgraph.training.card import write_card
        from hitgraph.training.place import clean
        from hitgraph.training.train import train
    except ModuleNotFoundError as error:
        raise MissingExtraError("training", "train") from error
    report = partial(say, quiet=args.quiet)
    training = train(
        recipe,
        sources,
        args.out,
        device=args.device,
        start=None if args.start is None else Pipeline.load(args.start),
        resume=args.resume,
        quiet=args.quiet,
        report=report,
        ranks=args.ranks,
    )
    write_card(training, args.out, path, sources)
    if not args.keep:
        clean(args.out)
    report(f"pipeline {recipe.name} written to {args.out}; its card is {args.out / 'CARD.md'}")
    return OK
