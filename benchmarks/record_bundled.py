"""Record in a pipeline's metrics.json what it does on the bundled event; a test reproduces it.

python benchmarks/record_bundled.py src/hitgraph/pretrained/quickstart
"""

import argparse
import json
from importlib.resources import files
from pathlib import Path

from hitgraph.evaluation.metrics import evaluate
from hitgraph.event.source import read_event
from hitgraph.files import atomic_write
from hitgraph.pipeline import Pipeline


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    event = read_event(Path(str(files("hitgraph") / "demo_event")))
    metrics = evaluate(event, Pipeline.load(folder).run(event).labels)
    matched = metrics.matchings["double majority"]
    path = folder / "metrics.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["bundled_event"] = {
        "event": event.name,
        "n_hits": event.n_hits,
        "min_track_hits": metrics.min_track_hits,
        "trackml_score": metrics.score,
        "technical_efficiency": {
            f"{one.min_pt:g}": one.technical.value for one in matched.efficiency
        },
        "purity": matched.purity.value,
    }
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
