"""What was done with each event of a folder of tracks: one file an event.

A run that is killed, or that another runs beside, so loses none of them. `run.json` holds them
together, for people and for programs; where the two differ, the files of the events are right.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hitgraph.errors import InputError
from hitgraph.event.event import Event
from hitgraph.files import atomic_write, read_json

SUMMARY = "run.json"
FOLDER = "records"
LENGTH = 16  # hexadecimal digits
NEEDED = {"pipeline", "fingerprint", "n_hits", "digest", "stages"}  # of an event that was done

Record = dict[str, Any]  # "event" is its name; "failed" says why there are no tracks


def digest(event: Event) -> str:
    """What tells an event from others of its name: the modules that its hits are on.

    Positions are left out, so that the same event written with fewer digits is still the same.
    """
    hits = event.hits
    content = hashlib.sha256()
    for column in (hits.hit_id, hits.volume_id, hits.layer_id, hits.module_id):
        content.update(column.tobytes())
    return content.hexdigest()[:LENGTH]


def write_record(folder: Path, record: Record) -> None:
    """Keep what was done with one event. Raises HitgraphError where that cannot be written."""
    with atomic_write(_path(folder, record["event"])) as temporary:
        temporary.write_text(json.dumps(record) + "\n", encoding="utf-8")


def read_record(folder: Path, event: str) -> Record | None:
    """What was done with one event; None where nothing says so, or what does is damaged."""
    try:
        record = read_json(_path(folder, event))
    except InputError:
        return None
    return record if record.get("event") == event else None


def is_damaged(folder: Path, event: str) -> bool:
    """Whether there is a record of an event that does not say what was done with it."""
    if not _path(folder, event).is_file():
        return False
    record = read_record(folder, event)
    return record is None or ("failed" not in record and not record.keys() >= NEEDED)


def remove_records(folder: Path, events: Iterable[str]) -> None:
    """Forget what was done with these events."""
    for event in events:
        _path(folder, event).unlink(missing_ok=True)


def read_summary(folder: Path, tolerant: bool = False) -> Record:
    """The content of `run.json`, with the records of all events under "events" and "failed".

    Empty where there is neither. Where a file is not what `hitgraph reconstruct` writes, it is
    passed over if `tolerant`, and otherwise InputError names it.
    """
    content = _checked(folder / SUMMARY, _check_summary, tolerant) or {}
    events = {str(entry["event"]): entry for entry in content.get("events", [])}
    failed = {str(event): str(why) for event, why in content.get("failed", {}).items()}
    for path in sorted((folder / FOLDER).glob("*.json")):
        record = _checked(path, _check_record, tolerant)
        if record is None:
            continue
        maker = {key: record.get(key, "?") for key in ("pipeline", "fingerprint")}
        content = maker | content
        if content["fingerprint"] != maker["fingerprint"]:
            continue  # something else was here before
        event = record["event"]
        events.pop(event, None)
        failed.pop(event, None)
        if "failed" in record:
            failed[event] = str(record["failed"])
        else:
            events[event] = record
    if not content:
        return {}
    return content | {"events": [events[name] for name in sorted(events)], "failed": failed}


def _checked(path: Path, check: Callable[[Record], None], tolerant: bool) -> Record | None:
    """The content of a file; None where there is none, or if `tolerant` where it is damaged."""
    if not path.is_file():
        return None
    try:
        content = read_json(path)
        check(content)
    except (InputError, KeyError, TypeError, AttributeError) as error:
        if tolerant:
            return None
        raise InputError(
            f"{path}: is not the summary of a run ({type(error).__name__}: {error}): "
            "remove it, or reconstruct again"
        ) from error
    return content


def _check_summary(content: Record) -> None:
    for entry in content.get("events", []):
        entry["event"]
    content.get("failed", {}).items()


def _check_record(content: Record) -> None:
    if not isinstance(content["event"], str):
        raise TypeError(f"event is {content['event']!r}")


def require_same_event(tracks: Path, event: Event) -> None:
    """Raise InputError where the record beside a file of tracks is of another event of that name.

    Also where that record is damaged. Tracks without one, which another program made, pass.
    """
    if is_damaged(tracks.parent, event.name):
        raise InputError(
            f"{_path(tracks.parent, event.name)}: is damaged, and nothing else tells whose tracks "
            f"{tracks.name} are: reconstruct again with --resume, or remove it"
        )
    record = read_record(tracks.parent, event.name)
    if record is None or "digest" not in record:
        return
    if (record.get("n_hits"), record["digest"]) != (event.n_hits, digest(event)):
        raise InputError(
            f"{tracks}: are tracks of another {event.name}, of {record.get('n_hits')} hits where "
            f"this one has {event.n_hits}, or on other modules: give the events that were "
            "reconstructed, or reconstruct these"
        )


def _path(folder: Path, event: str) -> Path:
    return folder / FOLDER / f"{event}.json"
