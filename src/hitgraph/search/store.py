"""Where the trials of a search are kept: a journal file, or a database by its URL (Optuna)."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hitgraph.errors import HitgraphError, MissingExtraError, SettingsError

try:
    import optuna
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend
except ModuleNotFoundError as error:
    raise MissingExtraError("a search", "search") from error

IDENTITY = "identity"  # what the search is about
DIRECTIONS = ["maximize", "minimize"]  # of quality and CPU seconds an event

optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_study(store: str, name: str) -> optuna.Study | None:
    """The trials of the search of that name, None where none was begun in the store.

    Raises StoreError where it cannot be used.
    """
    with store_errors(store):
        storage = _storage(store)
        if name not in optuna.get_all_study_names(storage):
            return None
        return optuna.load_study(study_name=name, storage=storage)


def existing_study(store: str, name: str) -> optuna.Study:
    """The trials of a search that was begun. Raises StoreError where it is gone."""
    study = open_study(store, name)
    if study is None:
        raise StoreError(f"{store}: has no search {name} any more: begin it again")
    return study


def begin_study(store: str, name: str, identity: Mapping[str, Any]) -> None:
    """Make the search in the store. Raises StoreError where it cannot be used."""
    with store_errors(store):
        study = optuna.create_study(study_name=name, storage=_storage(store), directions=DIRECTIONS)
        study.set_user_attr(IDENTITY, dict(identity))


def forget_study(store: str, name: str) -> None:
    """Remove a search from the store. Raises StoreError where it cannot be used."""
    with store_errors(store):
        optuna.delete_study(study_name=name, storage=_storage(store))


def check_identity(study: optuna.Study, store: str, identity: Mapping[str, Any]) -> None:
    """Raise SettingsError where the search in the store is another one."""
    found = study.user_attrs.get(IDENTITY, {})
    for key, wanted in json.loads(json.dumps(identity)).items():
        if found.get(key) != wanted:
            raise SettingsError(
                f"{store}: is the store of another search, whose {key} is "
                f"{_short(found.get(key))} and not {_short(wanted)}: go on with the same, or name "
                "another --store and --out"
            )


class StoreError(HitgraphError):
    """The store is locked, damaged, or none: nothing can go on."""


@contextmanager
def store_errors(store: str) -> Iterator[None]:
    """Raise StoreError for whatever goes wrong with the store inside."""
    try:
        yield
    except HitgraphError:
        raise
    except Exception as error:  # files, SQL drivers and servers have errors of their own
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        locked = isinstance(cause, sqlite3.OperationalError) and "locked" in str(cause)
        advice = (
            "another program holds it: end that, and go on with --resume"
            if locked
            else "give a file that a search has written or can write, or the URL of a database, "
            "like sqlite:///search.db"
        )
        why = str(cause).strip().splitlines() or [type(cause).__name__]
        raise StoreError(f"{store}: cannot be used as the store ({why[0]}): {advice}") from error


def _storage(store: str) -> Any:
    if "://" in store:
        return RDBStorage(store)
    return JournalStorage(JournalFileBackend(store))


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
