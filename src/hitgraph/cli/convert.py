"""Convert events to TrackML CSV, the parquet store or ROOT, from these or from ACTS CSV.

    hitgraph convert train_sample.zip --to parquet --out data/train
    hitgraph convert data/train --events 1000:1005 --to trackml --gzip --out csv
    hitgraph convert data/train --volumes 7 8 9 --to parquet --out data/pixels
    hitgraph convert data/train --to root --out rootfiles
    hitgraph convert data/clusters --space-points --to parquet --out data/points

The detectors table and dataset.json come along. A parquet store is a quarter of the size of
plain CSV and reads several times faster. A bad event is reported and left out, the others go on
(exit status 1). Events that are there are not written over: with --resume an interrupted run
continues, --force converts them anew.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hitgraph.cli import OK, SOME_FAILED
from hitgraph.cli.arguments import (
    add_events,
    add_output,
    add_verbosity,
    add_workers,
    positive,
    set_verbosity,
)

if TYPE_CHECKING:
    from hitgraph.event.detector import Detector
    from hitgraph.event.source import EventSource


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_events(parser)
    parser.add_argument(
        "--to", choices=("parquet", "trackml", "root"), required=True, help="the format"
    )
    parser.add_argument("--gzip", action="store_true", help="with --to trackml: .csv.gz")
    parser.add_argument(
        "--volumes",
        type=positive,
        nargs="+",
        metavar="N",
        help="keep the hits in these volumes of the detector only, and weigh them anew",
    )
    parser.add_argument(
        "--space-points",
        action="store_true",
        help="hits are clusters of double-sided strips: make space points of those that cross",
    )
    add_output(parser, "folder for the converted events")
    add_workers(parser)
    add_verbosity(parser)


def run(args: argparse.Namespace) -> int:
    from hitgraph.cli.console import progress, say
    from hitgraph.cli.messages import complain
    from hitgraph.errors import InputError, SettingsError
    from hitgraph.event.source import list_events, require_different_names
    from hitgraph.workers import hire

    set_verbosity(args)
    if args.gzip and args.to != "trackml":
        raise SettingsError("--gzip goes with --to trackml; parquet and ROOT are compressed anyway")
    sources = list_events(args.paths, args.detectors, args.events)
    require_different_names(sources)
    there = [source for source in sources if _is_there(source.name, args)]
    if there and not (args.resume or args.force):
        raise SettingsError(
            f"{args.out}: holds {there[0].name}"
            + (f" and {len(there) - 1} more of these events" if len(there) > 1 else "")
            + " already: --resume keeps them and goes on, --force converts them anew, or give "
            "another folder"
        )
    todo = [source for source in sources if not (args.resume and source in there)]
    failed = {}
    with hire(args.workers, args.dask) as workers, progress(args.quiet) as bar:
        _write_common(sources, args)
        task = bar.add_task("converting", total=len(sources), completed=len(sources) - len(todo))
        convert = partial(
            _convert,
            out=args.out,
            to=args.to,
            compress=args.gzip,
            volumes=args.volumes,
            cross=args.space_points,
        )
        for source, result in workers.share(convert, todo, args.out):
            bar.advance(task)
            if isinstance(result, InputError):
                failed[source] = result
    for source, why in failed.items():
        complain(f"failed {source.path}: {why}")
    say(
        f"{len(todo) - len(failed)} events written to {args.out}, "
        f"{len(sources) - len(todo)} were there, {len(failed)} failed",
        args.quiet,
    )
    return SOME_FAILED if failed else OK


def _write_common(sources: "list[EventSource]", args: argparse.Namespace) -> None:
    """The detectors table and dataset.json, which all events of a folder share."""
    from hitgraph.errors import InputError
    from hitgraph.event.modules import cached_detectors
    from hitgraph.event.store import DETECTORS_NAME, write_dataset_info, write_detectors
    from hitgraph.event.trackml import write_detectors_csv

    out = args.out
    places = sorted({source.detectors for source in sources if source.detectors}, key=str)
    tables = [cached_detectors(place) for place in places]
    for place, table in zip(places, tables, strict=True):
        if not table.same_as(tables[0]):
            raise InputError(
                f"{place}: differs from {places[0]}, and converted events share one detectors "
                "table: convert them into two folders, or give the table with --detectors"
            )
    _require_detector_of(out, tables[0] if tables else None)
    info = _common_info(sorted({source.path.parent for source in sources}))
    if args.volumes is not None:
        info = info | {"volumes": sorted(set(args.volumes))}
    _require_volumes_of(out, info)
    if tables and args.to != "trackml":
        write_detectors(tables[0], out / DETECTORS_NAME)
    elif tables:
        name = "detectors.csv.gz" if args.gzip else "detectors.csv"
        write_detectors_csv(tables[0], out / name)
    if info:
        write_dataset_info(out, info)


def _common_info(folders: list[Path]) -> dict[str, Any]:
    """What all dataset.json say, with the events of all; InputError where two say different."""
    from itertools import chain

    from hitgraph.errors import InputError
    from hitgraph.event.store import INFO_NAME, read_dataset_info

    infos = [read_dataset_info(folder) for folder in folders]
    events = [info.pop("events") for info in infos if "events" in info]
    for folder, info in zip(folders, infos, strict=True):
        different = [key for key in {**infos[0], **info} if infos[0].get(key) != info.get(key)]
        if different:
            raise InputError(
                f"{folder / INFO_NAME}: its {different[0]} differs from that of {folders[0]}, and "
                "converted events share one: convert them into two folders"
            )
    return infos[0] | ({"events": list(chain.from_iterable(events))} if events else {})


def _require_detector_of(out: Path, table: "Detector | None") -> None:
    """Refuse a folder with the module table of another detector, which its events need."""
    from hitgraph.errors import SettingsError
    from hitgraph.event.archive import Place
    from hitgraph.event.modules import NAMES, cached_detectors

    for path in (out / name for name in NAMES):
        if path.is_file() and not (table and table.same_as(cached_detectors(Place(path)))):
            raise SettingsError(
                f"{path}: is the table of another detector, and the events of a folder share "
                "one: give another folder, or remove what is in this one"
            )


def _require_volumes_of(out: Path, info: dict[str, Any]) -> None:
    """Refuse a folder whose events have the hits of other volumes."""
    from hitgraph.errors import SettingsError
    from hitgraph.event.store import INFO_NAME, read_dataset_info

    path = out / INFO_NAME
    if not path.is_file() or not any(out.glob("*hits.*")):
        return
    there, new = (
        " ".join(map(str, one["volumes"])) if "volumes" in one else "all"
        for one in (read_dataset_info(out), info)
    )
    if there != new:
        raise SettingsError(
            f"{path}: the events there have the hits of the volumes {there}, these would have "
            f"those of {new}: give another folder, or remove what is in this one"
        )


def _is_there(name: str, args: argparse.Namespace) -> bool:
    """Whether an event was converted before: its hits are written last."""
    from hitgraph.event import root, store, trackml

    if args.to == "parquet":
        hits = store.file_name(name, "hits")
    elif args.to == "root":
        hits = root.file_name(name)
    else:
        hits = trackml.file_name(name, "hits") + ".gz" * args.gzip
    return Path(args.out, hits).is_file()


def _convert(
    source: "EventSource",
    out: Path,
    to: str,
    compress: bool,
    volumes: list[int] | None,
    cross: bool,
) -> None:
    from hitgraph.errors import InputError
    from hitgraph.event.root import write_root
    from hitgraph.event.store import write_event
    from hitgraph.event.trackml import write_trackml
    from hitgraph.event.volumes import in_volumes

    event = source.read()
    if volumes is not None:
        event = in_volumes(event, volumes)
    if cross:
        from hitgraph.hits.strips.points import event_of_points

        if event.detector is None:
            raise InputError(
                f"{source.path}: no detectors table, which tells the sides of modules: give it "
                "with --detectors"
            )
        event = event_of_points(event, event.detector)
    if to == "parquet":
        write_event(event, out)
    elif to == "root":
        write_root(event, out)
    else:
        write_trackml(event, out, compress)
