"""One export: every model in every format, checked, and written only if it is right."""

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from hitgraph._version import __version__
from hitgraph.errors import SettingsError
from hitgraph.event.event import Event
from hitgraph.export.graphs import States, states_of
from hitgraph.export.models import Model
from hitgraph.export.parity import Check, as_json, as_text, check, refuse_different
from hitgraph.export.targets import Target, find_target
from hitgraph.files import cannot_write
from hitgraph.pipeline import Pipeline

MODELS_FILE = "models.json"

_log = logging.getLogger(__name__)


def export_pipeline(
    pipeline: Pipeline,
    to: str,
    out: Path,
    events: Sequence[Event],
    force: bool = False,
    report: Callable[[str], None] = _log.info,
) -> list[Check]:
    """Write a pipeline for another program (a name in TARGETS) into the folder `out`.

    The files are compared with the pipeline on the events before `out` is there: it appears whole,
    or not at all. `report` gets a line before each step, of which large events make long ones.
    Raises SettingsError for a pipeline which that program cannot run, or where `out` is there
    (`force` replaces an earlier export, nothing else), HitgraphError where a file gives
    something else.
    """
    _require_replaceable(out, force)
    target = find_target(to)
    models = target.models(pipeline)
    report("running the pipeline on " + ", ".join(event.name for event in events))
    with torch.no_grad():
        graphs = states_of(pipeline, events)
    with _whole_folder(out.resolve()) as folder:
        target.beside(pipeline, folder)
        checks = []
        for model in models:
            checks += _write(model, target, graphs, folder, report)
        refuse_different(checks, target.tolerance)
        (folder / "parity.txt").write_text(as_text(checks), encoding="utf-8")
        _write_json(folder / "parity.json", as_json(checks, target.tolerance))
        content = {
            "hitgraph": __version__,
            "pipeline": pipeline.recipe.name,
            "target": to,
            "models": [_about(model, target) for model in models],
        }
        _write_json(folder / MODELS_FILE, content)
    return checks


def _require_replaceable(out: Path, force: bool) -> None:
    """Nothing but an earlier export, or an empty folder, is ever removed."""
    if not out.exists():
        return
    if not out.is_dir():
        raise SettingsError(f"{out}: is there and no folder: give another name")
    if any(out.iterdir()) and not (out / MODELS_FILE).is_file():
        raise SettingsError(
            f"{out}: is there and no export, it has no {MODELS_FILE}: give another folder"
        )
    if not force:
        raise SettingsError(f"{out}: is there already: --force replaces it, or give another folder")


def _write(
    model: Model,
    target: Target,
    graphs: Mapping[str, States],
    folder: Path,
    report: Callable[[str], None],
) -> list[Check]:
    """Save a model in each format, and compare on all graphs."""
    checks = []
    with torch.no_grad():
        given = {name: model.inputs(states[model.stage]) for name, states in graphs.items()}
        wanted = {name: model.expected(states[model.stage]) for name, states in graphs.items()}
    example = min(list(given.values())[:3], key=lambda inputs: len(inputs["x"]))
    for one in target.formats:
        file = folder / f"{model.name}{one.suffix}"
        report(f"writing {file.name}, and comparing it with the pipeline")
        one.save(model, example, file)
        run = one.load(file)
        checks += [
            check(f"{model.name}{one.suffix}", name, run, inputs, wanted[name])
            for name, inputs in given.items()
        ]
    return checks


def _about(model: Model, target: Target) -> dict[str, Any]:
    """What one needs to know to run a model."""
    return {
        "files": [f"{model.name}{one.suffix}" for one in target.formats],
        "stage": model.stage,
        "columns": {name: list(columns) for name, columns in model.columns.items()},
        "output": model.output,
        "cut": model.cut,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


@contextmanager
def _whole_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place when all went well, else it is removed."""
    folder, old = (out.parent / f".{out.name}.{os.getpid()}.{end}" for end in ("part", "old"))
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise cannot_write(out, error) from error
    try:
        yield folder
        if out.exists():
            out.rename(old)
        folder.rename(out)
    except OSError as error:
        raise cannot_write(out, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if old.exists() and not out.exists():
            old.rename(out)
        shutil.rmtree(old, ignore_errors=True)
