"""The material of the ACTS GenericDetector, with which particles lose as much as in TrackML.

The silicon of pyacts 48.1 has a thousandth of its density: radiation lengths are right, so that
particles scatter as they should, but they lose no energy. In the real TrackML event hadrons lose
0.8 to 1.1 MeV of momentum a layer, protons no more than pions (docs/simulation.md): as if all were
pions in 0.7 of the silicon that the layers have. ACTS takes another material from a JSON file only.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from hitgraph.errors import HitgraphError

SILICON = 14  # protons
MOLAR_DENSITY = 2.32e-3 / 28.03  # mol / mm^3, of silicon with the atomic mass that ACTS gives it
TUNED = 0.7  # of it; fitted to the momentum that pions lose between layers of the real event
# What ACTS prints of a slab: lengths in mm, molar density in mol / mm^3.
_SLAB = re.compile(
    r"x0=(?P<x0>[\d.e+-]+)\|l0=(?P<l0>[\d.e+-]+)\|ar=(?P<ar>[\d.e+-]+)\|z=(?P<z>[\d.e+-]+)\|"
    r"molar_rho=(?P<rho>[\d.e+-]+)\|.*\|t=(?P<t>[\d.e+-]+)"
)
_ONE_BIN = [{"bins": 1, "min": 0, "max": 0, "option": "open", "type": "equidistant"}]


def tuned_material(detector: Any) -> Any:
    """The material of an acts.examples.GenericDetector with silicon that takes energy: an
    acts.IMaterialDecorator to build another one with."""
    import acts
    from acts import json as acts_json

    surfaces = detector.trackingGeometry().extractMaterialSurfaces()
    entries = [_entry(surface.geometryId, surface.surfaceMaterial) for surface in surfaces]
    content = {
        "Surfaces": {"acts-geometry-hierarchy-map": _header("Surface"), "entries": entries},
        "Volumes": {"acts-geometry-hierarchy-map": _header("Volume"), "entries": []},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "material.json"
        path.write_text(json.dumps(content))
        return acts_json.JsonMaterialDecorator(
            acts_json.MaterialMapJsonConverter.Config(), str(path), acts.logging.ERROR
        )


def _header(kind: str) -> dict[str, Any]:
    return {"format-version": 0, "value-identifier": f"Material {kind} Map"}


def slab_of(identifier: Any, material: Any) -> dict[str, float]:
    """What the homogeneous material of an ACTS surface is.

    x0, l0 and t (its thickness) in mm, ar and z of its atoms, rho in mol / mm^3.
    """
    found = _SLAB.search(material.toString())
    if found is None:
        raise HitgraphError(
            f"the material of surface {identifier} is {material.toString()!r}: another version of "
            "pyacts than the one that hitgraph knows (see constraints.txt)"
        )
    return {name: float(value) for name, value in found.groupdict().items()}


def _entry(identifier: Any, material: Any) -> dict[str, Any]:
    slab = slab_of(identifier, material)
    density = TUNED * MOLAR_DENSITY if slab["z"] == SILICON else slab["rho"]
    levels = {
        level: getattr(identifier, level)
        for level in ("volume", "boundary", "layer", "approach", "sensitive")
        if getattr(identifier, level)
    }
    matter = [slab["x0"], slab["l0"], slab["ar"], slab["z"], density]
    homogeneous = {
        "type": "homogeneous",
        "mapMaterial": True,
        "mappingType": "Default",
        "binUtility": {"binningdata": [one | {"value": "binR"} for one in _ONE_BIN]},
        "data": [[{"material": matter, "thickness": slab["t"]}]],
    }
    return levels | {"value": {"material": homogeneous}}
