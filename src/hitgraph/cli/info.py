"""Tell what is in event files: hits, cells, particles, noise, and how they were made.

    hitgraph info data/pu200
    hitgraph info train_sample.zip --events 1000:1010 --json info.json

Every event is read and checked; a bad one is reported with file, row and column, and the others
go on (exit status 1).
"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hitgraph.cli import OK, SOME_FAILED
from hitgraph.cli.arguments import (
    add_events,
    add_json,
    add_verbosity,
    add_workers,
    set_verbosity,
)

if TYPE_CHECKING:
    from hitgraph.cli.console import Table
    from hitgraph.event.source import EventSource
    from hitgraph.event.summary import EventSummary

MAX_ROWS = 20  # events shown one by one


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_events(parser)
    add_json(parser)
    add_workers(parser)
    add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    import json
    from dataclasses import asdict

    from hitgraph.cli.console import console, progress, say
    from hitgraph.cli.messages import complain
    from hitgraph.errors import InputError
    from hitgraph.event.source import list_events
    from hitgraph.event.store import read_dataset_info
    from hitgraph.files import atomic_write
    from hitgraph.workers import hire

    set_verbosity(args)
    sources = list_events(args.paths, args.detectors, args.events)
    folders = sorted({source.path.parent for source in sources})
    datasets = {str(folder): info for folder in folders if (info := read_dataset_info(folder))}
    summaries: dict[EventSource, EventSummary] = {}
    failed: dict[str, str] = {}
    with hire(args.workers, args.dask) as workers, progress(args.quiet) as bar:
        task = bar.add_task("reading", total=len(sources))
        for source, result in workers.share(_summary, sources):
            bar.advance(task)
            if isinstance(result, InputError):
                failed[str(source.path)] = str(result)
            else:
                summaries[source] = result
    done = [source for source in sources if source in summaries]

    out = console(args.quiet)
    for line in _about(sources, datasets):
        say(line, args.quiet)
    if done:
        fields = sorted({summaries[source].field or "not told" for source in done})
        out.print(f"magnetic field: {', '.join(fields)}", markup=False, soft_wrap=True)
        out.print(_event_table([summaries[source] for source in done]))
        out.print(_volume_table([summaries[source] for source in done]))
        for line in _crossed([summaries[source] for source in done]):
            out.print(line, markup=False, soft_wrap=True)
    for path, why in failed.items():
        complain(f"failed {path}: {why}")
    if args.json is not None:
        content = {
            "datasets": datasets,
            "events": [_as_json(source, asdict(summaries[source])) for source in done],
            "failed": failed,
        }
        with atomic_write(args.json) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return SOME_FAILED if failed else OK


def _about(sources: "Sequence[EventSource]", datasets: dict[str, dict[str, Any]]) -> list[str]:
    """Lines on how the events were made and which files hold them."""
    lines = [f"{folder}: {_flat(info)}" for folder, info in datasets.items()]
    megabytes = sum(source.size for source in sources) / 1e6
    lines.append(f"{len(sources)} event{'s' * (len(sources) != 1)}, {megabytes:,.1f} MB")
    if len(sources) == 1:
        lines += [f"  {place}" for _, place in sources[0].files]
    tables = sorted({str(source.detectors) for source in sources if source.detectors})
    return lines + [f"detectors table: {table}" for table in tables or ["none"]]


def _summary(source: "EventSource") -> "EventSummary":
    from hitgraph.event.summary import summarise

    return summarise(source.read())


def _as_json(source: "EventSource", summary: dict[str, Any]) -> dict[str, Any]:
    files = {table: str(place) for table, place in source.files}
    detectors = None if source.detectors is None else str(source.detectors)
    return summary | {"files": files, "bytes": source.size, "detectors": detectors}


def _event_table(summaries: "Sequence[EventSummary]") -> "Table":
    from hitgraph.cli.console import Table
    from hitgraph.event.summary import PT_THRESHOLDS

    names = ("hits", "cells", "particles", *(f"> {pt:g}" for pt in PT_THRESHOLDS))
    table = Table(
        ("event", *names, "noise", "weights"),
        box=None,
        pad_edge=False,
        caption="> 0.1: charged particles with pT > 0.1 GeV, |eta| < 4",
        caption_justify="left",
    )
    rows = [_numbers(summary) for summary in summaries]
    for summary, row in list(zip(summaries, rows, strict=True))[:MAX_ROWS]:
        table.add(summary.event, *_texts(row))
    if len(rows) > 1:
        columns = [
            [value for value in column if value is not None] for column in zip(*rows, strict=True)
        ]
        means = [sum(column) / len(column) if column else None for column in columns]
        if len(rows) > MAX_ROWS:
            table.add(f"... {len(rows) - MAX_ROWS} more (--json FILE has all)")
        table.add(f"mean of {len(rows)}", *_texts(means), style="bold")
    return table


def _numbers(summary: "EventSummary") -> list[float | None]:
    from hitgraph.event.summary import PT_THRESHOLDS

    above = summary.particles_above_pt or {}
    return [
        summary.hits,
        summary.cells,
        summary.particles,
        *(above.get(pt) for pt in PT_THRESHOLDS),
        summary.noise_fraction,
        summary.weight_sum,
    ]


def _texts(row: "Sequence[float | None]") -> list[str]:
    """Counts, then the noise fraction and the weight sum; a dash where there is no such table."""
    forms = [",.0f"] * (len(row) - 2) + [".1%", ".4f"]
    return ["-" if n is None else format(n, form) for n, form in zip(row, forms, strict=True)]


def _volume_table(summaries: "Sequence[EventSummary]") -> "Table":
    from hitgraph.cli.console import Table

    hits: dict[int, int] = {}
    for summary in summaries:
        for volume, count in summary.hits_per_volume.items():
            hits[volume] = hits.get(volume, 0) + count
    total = sum(hits.values())
    table = Table(("volume", "hits an event", "share"), box=None, pad_edge=False)
    for volume, count in sorted(hits.items()):
        table.add(str(volume), f"{count / len(summaries):,.0f}", f"{count / total:.1%}")
    return table


def _crossed(summaries: "Sequence[EventSummary]") -> list[str]:
    """What became of the clusters, where hits are space points; a mean of the events."""
    known = [summary.crossed for summary in summaries if summary.crossed is not None]
    if not known:
        return []
    from hitgraph.event.crossed import STIFF

    pairs, ghosts = sum(one.pairs for one in known), sum(one.ghosts for one in known)
    found, crossings = sum(one.found for one in known), sum(one.crossings for one in known)
    clusters = sum(one.clusters for one in known) / len(known)
    return [
        f"{clusters:,.0f} clusters an event; hits of two: {pairs / len(known):,.0f}, of which "
        f"{ghosts / max(pairs, 1):.1%} are ghosts, and {found / max(crossings, 1):.1%} of what "
        f"particles above {STIFF:g} GeV left on both sides of a module"
    ]


def _flat(info: dict[str, Any], prefix: str = "") -> str:
    """The simple values of dataset.json in one line."""
    parts = []
    for key, value in info.items():
        if isinstance(value, dict):
            parts.append(_flat(value, f"{prefix}{key}."))
        elif not isinstance(value, list):
            parts.append(f"{prefix}{key} {value}")
    return ", ".join(part for part in parts if part)
