"""Settings for the digitisation of ACTS that divide the generic detector as TrackML does."""

import json
from pathlib import Path
from typing import Any

from hitgraph.acts.geometry import generic_geometry
from hitgraph.event.known_detectors import PIXEL_VOLUMES
from hitgraph.files import atomic_write
from hitgraph.simulate.geometry import PITCH


def write_digitisation(path: Path | str) -> None:
    """Write the JSON file that `addDigitization(digiConfigFile=...)` takes.

    Geometric digitisation along both axes: pixels report the path length in mm, strips report 1,
    as in TrackML. Raises HitgraphError if the file cannot be written.
    """
    table = generic_geometry().table
    entries = []
    for volume, layer in table.layer_keys.tolist():
        here = (table.volume_id == volume) & (table.layer_id == layer)
        halves = table.max_half_u[here].max(), table.half_v[here].max()
        axes = [
            _axis(name, half, pitch)
            for name, half, pitch in zip(("binX", "binY"), halves, PITCH[volume], strict=True)
        ]
        geometric = {
            "indices": [0, 1],
            "thickness": float(table.sensitive_thickness[here][0]),
            "threshold": 0.0,
            "digital": volume not in PIXEL_VOLUMES,
            "segmentation": {"binningdata": axes},
            "charge-smearing": {"type": "Gauss", "mean": 0.0, "stddev": 0.0},
        }
        entries.append({"volume": volume, "layer": layer, "value": {"geometric": geometric}})
    head = {"format-version": 0, "value-identifier": "digitization-configuration"}
    content = {"acts-geometry-hierarchy-map": head, "entries": entries}
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _axis(name: str, half: float, pitch: float) -> dict[str, Any]:
    return {
        "value": name,
        "type": "equidistant",
        "option": "open",
        "bins": round(2 * half / pitch),
        "min": -float(half),
        "max": float(half),
    }
