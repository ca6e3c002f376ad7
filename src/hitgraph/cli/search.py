"""Search for a recipe: vary keys of one, teach each trial for the same time, keep the best.

    hitgraph search networks/interaction --space space.yaml --data data/pu20 --from compact \\
        --seconds 60 --trials 40 --out runs/search
    hitgraph search networks/interaction --space space.yaml --data data/pu20 --from compact \\
        --seconds 60 --trials 40 --out runs/search --resume    # also a second worker, elsewhere

FILE names keys of the recipe with ranges and alternatives (docs/search.md). Stages that no trial
changes are taught once, or taken from the pipeline of --from. A trial that falls behind ends early.
Trials are kept in the store; the same command with --resume goes on after an interruption, and
joins a search that others are at. Writes search.json, figures of the front of quality and time and
of what matters, best.yaml and the recipes of the front into DIR. Needs the extras `search`, `train`
and `plot`.
"""

import argparse
from functools import partial
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
from hitgraph.search.quality import QUALITIES

if TYPE_CHECKING:
    from hitgraph.search.plan import Search


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recipe", metavar="RECIPE", help="the name of a shipped recipe, or a recipe file"
    )
    parser.add_argument(
        "--space", type=Path, required=True, metavar="FILE", help="the keys that vary, as YAML"
    )
    add_events(parser, "--data")
    parser.add_argument(
        "--judge",
        nargs="+",
        type=Path,
        metavar="EVENTS",
        default=[],
        help="events that trials are judged by (default: those of --data that neither train nor "
        "validate)",
    )
    parser.add_argument(
        "--test",
        nargs="+",
        type=Path,
        metavar="EVENTS",
        default=[],
        help="other events, on which the recipe and the front are judged at the end",
    )
    parser.add_argument(
        "--from",
        dest="start",
        metavar="P",
        help="take the stages that no trial changes from this pipeline, as far as it has them",
    )
    parser.add_argument(
        "--store",
        metavar="FILE",
        help="where trials are kept: a journal file, or the URL of a database like "
        "sqlite:///search.db (default: DIR/search.journal)",
    )
    parser.add_argument(
        "--trials", type=positive, default=20, metavar="N", help="in all (default 20)"
    )
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="CPU seconds of training that a trial may take, shared among its own networks",
    )
    budget.add_argument("--epochs", type=positive, metavar="N", help="of each network")
    parser.add_argument(
        "--quality",
        choices=tuple(QUALITIES),
        default="score",
        help="what is sought beside little CPU time: TrackML score, efficiency above 0.5 GeV, "
        "purity of tracks, purity of edges at 98 %% efficiency, or area under the ROC curve of the "
        "edges (default score)",
    )
    add_output(parser, "folder for the pipelines, the table, the figures and the recipes")
    add_workers(parser)
    add_device(parser)
    add_json(parser)
    add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    from importlib import import_module

    from hitgraph.cli.console import say
    from hitgraph.cli.messages import complain
    from hitgraph.cli.written import show_written
    from hitgraph.errors import MissingExtraError
    from hitgraph.event.source import list_events
    from hitgraph.settings import read_yaml
    from hitgraph.threads import set_threads
    from hitgraph.workers import hire

    set_verbosity(args)
    set_threads(args.threads)
    import_module("hitgraph.evaluation.style")  # first: it may lack its extra
    import_module("hitgraph.search.store")  # the same
    try:
        from hitgraph.search.run import search_recipes
    except ModuleNotFoundError as error:
        raise MissingExtraError("training", "train") from error
    search = _search(args)
    with hire(args.workers, args.dask) as workers:
        found = search_recipes(
            search,
            read_yaml(args.space),
            list_events(args.test, args.detectors) if args.test else [],
            workers=workers,
            resume=args.resume,
            force=args.force,
            report=partial(say, quiet=args.quiet),
        )
    show_written(found.result.tables, found.preset, found.paths, args)
    for why in found.failed:
        complain(f"failed {why}")
    return SOME_FAILED if found.failed else OK


def _search(args: argparse.Namespace) -> "Search":
    from hitgraph.compare.plan import Budget
    from hitgraph.event.source import list_events
    from hitgraph.recipe import read_recipe
    from hitgraph.recipe_files import find_recipe
    from hitgraph.search.plan import Search, plan_of
    from hitgraph.search.space import read_space

    space = read_space(args.space, read_recipe(find_recipe(args.recipe)))
    budget = Budget(args.seconds, args.epochs)
    plan = plan_of(
        space,
        list_events(args.data, args.detectors, args.events),
        list_events(args.judge, args.detectors) if args.judge else (),
        args.out,
        budget,
        args.start,
    )
    store = args.store or str(args.out / "search.journal")
    return Search(space, plan, budget, args.quality, store, args.trials, args.device, args.quiet)
