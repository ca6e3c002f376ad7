"""The model card: what a pipeline was made of, so that it can be made again."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from hitgraph._version import __version__
from hitgraph.event.source import EventSource
from hitgraph.event.store import read_dataset_info
from hitgraph.files import atomic_write
from hitgraph.training.train import Training


def write_card(
    training: Training, out: Path, recipe_path: Path, sources: Sequence[EventSource]
) -> None:
    """Write metrics.json and CARD.md beside the pipeline in `out`."""
    dataset = _dataset(sources)
    metrics = {
        "hitgraph": __version__,
        "recipe": training.pipeline.recipe.name,
        "seed": training.pipeline.recipe.seed,
        "data": {
            "dataset": dataset,
            "train_events": list(training.train_events),
            "validation_events": list(training.validation_events),
        },
        "stages": training.stages,
    }
    with atomic_write(out / "metrics.json") as temporary:
        temporary.write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    with atomic_write(out / "CARD.md") as temporary:
        temporary.write_text(_card(training, recipe_path, dataset), encoding="utf-8")


def _dataset(sources: Sequence[EventSource]) -> dict[str, Any]:
    folder = sources[0].path.parent
    return read_dataset_info(folder) if (folder / "dataset.json").is_file() else {}


def _card(training: Training, recipe_path: Path, dataset: dict[str, Any]) -> str:
    recipe = training.pipeline.recipe
    sizes = ", ".join(
        f"{name} {sum(tensor.numel() for tensor in stage.tensors().values()):,}"
        for name, stage in training.pipeline.stages.items()
    )
    lines = [
        f"# {recipe.name}",
        "",
        recipe.description + ".",
        "",
        f"- trained on {date.today().isoformat()} with hitgraph {__version__}",
        f"- command: `hitgraph train {recipe_path} --data DATA --out OUT --seed {recipe.seed}`",
        f"- data: {len(training.train_events)} events to train "
        f"({training.train_events[0]} to {training.train_events[-1]}), "
        f"{len(training.validation_events)} to validate "
        f"({training.validation_events[0]} to {training.validation_events[-1]})",
        *[f"- {key}: {_short(dataset[key])}" for key in dataset if key != "events"],
        f"- learnt numbers (weights, tables, cuts): {sizes}",
        "",
        "## On the validation events",
        "",
        "| stage | what | value |",
        "|---|---|---|",
    ]
    for stage, facts in training.stages.items():
        lines += [f"| {stage} | {name} | {value:.5g} |" for name, value in facts.items()]
    return "\n".join(lines) + "\n"


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
