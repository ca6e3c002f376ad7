"""Time and memory of each stage of a pipeline, with the score of the tracks it finds.

    hitgraph benchmark data/pu200 --pipeline compact --out bench
    hitgraph benchmark data/pu200 --growth --throughput --ckf --out bench --markdown
    hitgraph benchmark data/pu200 --compare bench/benchmark.json

Every measurement runs in a process of its own, from event files to labels in memory, after two
warm-up events. DIR gets benchmark.json, benchmark.md and the plot growth.png (needs the extra
`plot`); what is done is saved at once and --resume goes on. The machine should have nothing else
to do: a warning says when it had, and CPU times then tell more than wall times.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hitgraph.cli import OK, SOME_FAILED
from hitgraph.cli.arguments import (
    DEFAULT_PIPELINE,
    add_events,
    add_json,
    add_precision,
    add_verbosity,
    positive,
    set_verbosity,
)
from hitgraph.errors import MissingExtraError, SettingsError

if TYPE_CHECKING:
    from hitgraph.benchmark.apart import Tell
    from hitgraph.benchmark.run import Order
    from hitgraph.benchmark.text import Table
    from hitgraph.cli.console import Table as ShownTable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_events(parser)
    parser.add_argument(
        "--pipeline",
        default=DEFAULT_PIPELINE,
        metavar="P",
        help=f"a shipped name or a pipeline folder (default {DEFAULT_PIPELINE})",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the results")
    there = parser.add_mutually_exclusive_group()
    there.add_argument(
        "--resume", action="store_true", help="skip the measurements that are saved in DIR"
    )
    there.add_argument("--force", action="store_true", help="replace those that are saved in DIR")
    parser.add_argument(
        "--device",
        default="auto",
        help="cpu, cuda, cuda:N, or auto: the CPU and a GPU if there is one (default auto)",
    )
    add_precision(parser)
    parser.add_argument(
        "--threads",
        type=numbers,
        metavar="N[,N]",
        help="CPU threads, one measurement each (default 1,2 as far as there are cores)",
    )
    parser.add_argument(
        "--repeats", type=positive, default=5, metavar="N", help="rounds over the events (5)"
    )
    more = parser.add_argument_group("further measurements")
    more.add_argument(
        "--growth", action="store_true", help="time against the number of hits (needs truth)"
    )
    more.add_argument(
        "--sizes",
        type=numbers,
        metavar="N,N,...",
        help="hits of the events of --growth (default 10000 to 300000)",
    )
    more.add_argument(
        "--throughput", action="store_true", help="events a second of the whole machine"
    )
    more.add_argument(
        "--seconds",
        type=positive,
        default=30,
        metavar="N",
        help="how long each layout of --throughput is kept going (30)",
    )
    more.add_argument(
        "--reference-sizes",
        action="store_true",
        help="the sizes of arXiv 2103.06995 on a synthetic event, timing only: minutes on a CPU",
    )
    more.add_argument(
        "--share",
        type=share,
        default=1.0,
        metavar="S",
        help="of the hits and edges of --reference-sizes (default 1)",
    )
    more.add_argument(
        "--ckf",
        action="store_true",
        help="the ACTS combinatorial Kalman filter on the same events (needs the extra `sim`)",
    )
    more.add_argument(
        "--no-startup", action="store_true", help="leave imports and compilation unmeasured"
    )
    parser.add_argument("--compare", type=Path, metavar="OLD.json", help="what changed since")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    add_json(parser)
    add_verbosity(parser)


def numbers(text: str) -> tuple[int, ...]:
    """'1,2' as (1, 2): rising whole numbers from 1."""
    try:
        found = tuple(positive(word) for word in text.split(","))
    except argparse.ArgumentTypeError:
        found = ()
    if not found or list(found) != sorted(set(found)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of rising numbers like 1,2,4")
    return found


def share(text: str) -> float:
    """A number above 0, at most 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0 and at most 1")
    return value


def run(args: argparse.Namespace) -> int:
    """Measure, save, print; exit status 1 where an event was left out."""
    from hitgraph.benchmark.run import read_run, run_benchmark, write_run
    from hitgraph.benchmark.text import markdown
    from hitgraph.cli.console import console, progress, say
    from hitgraph.cli.messages import complain
    from hitgraph.files import atomic_write

    set_verbosity(args)
    if args.resume and args.out is None:
        raise SettingsError("--resume needs the --out DIR that holds what is done")
    earlier = None if args.compare is None else read_run(args.compare)
    order = make_order(args)
    with progress(args.quiet) as bar:
        task = bar.add_task("begin", total=None)

        def begin(name: str, number: int, total: int) -> "Tell":
            bar.update(task, description=name, completed=number, total=total)
            return lambda text: bar.update(task, description=f"{name}: {text}")

        result = run_benchmark(order, args.out, args.resume, begin, args.force)
    if args.json is not None:
        write_run(result, args.json)
    tables = _tables(result, earlier)
    if args.out is not None:
        with atomic_write(args.out / "benchmark.md") as temporary:
            temporary.write_text("\n".join(map(markdown, tables)), encoding="utf-8")
        _plot(result, args)
    out = console(args.quiet)
    for table in tables:
        if args.markdown:
            say(markdown(table), args.quiet)
        else:
            out.print(_shown(table))
            for note in table.notes:
                say(note, args.quiet, style="dim")
    for event, why in result["failed"].items():
        complain(f"failed {event}: {why}")
    return SOME_FAILED if result["failed"] else OK


def make_order(args: argparse.Namespace) -> "Order":
    """What the arguments ask for."""
    from hitgraph.benchmark.growth import SIZES
    from hitgraph.benchmark.machine import cores
    from hitgraph.benchmark.run import Order
    from hitgraph.event.source import list_events, require_different_names

    sources = list_events(args.paths, args.detectors, args.events)
    require_different_names(sources)
    return Order(
        pipeline=args.pipeline,
        sources=tuple(sources),
        device=args.device,
        precision=args.precision,
        threads=args.threads or tuple(range(1, min(2, len(cores())) + 1)),
        repeats=args.repeats,
        startup=not args.no_startup,
        growth=(args.sizes or SIZES) if args.growth else (),
        throughput=args.throughput,
        seconds=args.seconds,
        reference=args.share if args.reference_sizes else 0.0,
        ckf=args.ckf,
    )


def _tables(result: dict[str, Any], earlier: dict[str, Any] | None) -> "list[Table]":
    from hitgraph.benchmark.compare import compare_runs
    from hitgraph.benchmark.planning import plan
    from hitgraph.benchmark.tables import all_tables, comparison_table, plan_table

    tables = all_tables(result)
    farms = plan(result)
    if farms:
        tables.append(plan_table(farms))
    if earlier is not None:
        tables.append(comparison_table(compare_runs(earlier, result)))
    return tables


def _plot(result: dict[str, Any], args: argparse.Namespace) -> None:
    from hitgraph.cli.console import say

    growth = {name: part for name, part in result["parts"].items() if name.startswith("growth")}
    if not growth:
        return
    try:
        from hitgraph.benchmark.plot import write_growth_plot
    except MissingExtraError as error:
        say(f"no plot: {error}", args.quiet)
        return
    write_growth_plot(growth, args.out / "growth.png")


def _shown(table: "Table") -> "ShownTable":
    from hitgraph.cli.console import Table as ShownTable

    shown = ShownTable(table.header, table.title)
    for row in table.rows:
        shown.add(*row)
    return shown
