"""Small events simulated and written by ACTS itself (extra `sim`)."""

import functools
import json
from pathlib import Path
from typing import Any

from hitgraph.event.detector import Detector
from hitgraph.event.simulate.fatras import build_detector
from hitgraph.event.simulate.geometry import PITCH, read_geometry


@functools.cache
def generic_detector() -> tuple[Any, Detector]:
    """The detector of ACTS, and its module table."""
    detector = build_detector()
    return detector, read_geometry(detector)[0]


def write_acts_csv(folder: Path, events: int = 1, clusters: bool = True) -> None:
    """Ten pions from a gun through Fatras and ACTS's digitisation into its CSV files.

    Without `clusters` the measurements have no global position and there are no cells.
    """
    import acts
    import acts.examples.simulation as simulation
    from acts import examples

    detector, table = generic_detector()
    quiet = acts.logging.ERROR
    geometry, unit = detector.trackingGeometry(), acts.UnitConstants
    field = acts.ConstantBField(acts.Vector3(0, 0, 2 * unit.T))
    config = folder.parent / f"{folder.name}-digitisation.json"
    config.write_text(json.dumps(_digitisation(table)))
    folder.mkdir(parents=True, exist_ok=True)
    sequencer = examples.Sequencer(events=events, numThreads=1, trackFpes=False, logLevel=quiet)
    random = examples.RandomNumbers(seed=7)
    simulation.addParticleGun(
        sequencer,
        simulation.EtaConfig(-2.5, 2.5),
        simulation.ParticleConfig(10, acts.PdgParticle.ePionPlus, True),
        simulation.MomentumConfig(1 * unit.GeV, 5 * unit.GeV, True),
        rnd=random,
    )
    simulation.addFatras(
        sequencer, geometry, field, rnd=random, outputDirCsv=str(folder), logLevel=quiet
    )
    simulation.addDigitization(
        sequencer, geometry, field, digiConfigFile=config, rnd=random, doMerge=False, logLevel=quiet
    )
    sequencer.addWriter(
        examples.CsvMeasurementWriter(
            level=quiet,
            inputMeasurements="measurements",
            inputClusters="clusters" if clusters else "",
            inputMeasurementSimHitsMap="measurement_simhits_map",
            outputDir=str(folder),
        )
    )
    sequencer.addAlgorithm(
        examples.SpacePointMaker(
            level=quiet,
            inputMeasurements="measurement_subset",
            outputSpacePoints="spacepoints",
            trackingGeometry=geometry,
            geometrySelection=[acts.GeometryIdentifier(volume=8)],
        )
    )
    sequencer.addWriter(
        examples.CsvSpacePointWriter(
            level=quiet, inputSpacePoints="spacepoints", outputDir=str(folder)
        )
    )
    sequencer.addWriter(
        examples.CsvTrackingGeometryWriter(
            level=quiet, trackingGeometry=geometry, outputDir=str(folder), writePerEvent=False
        )
    )
    sequencer.run()


def _digitisation(detector: Detector) -> dict[str, Any]:
    """ACTS's settings that divide the modules as TrackML's table does."""
    entries = []
    for volume, layer in detector.layer_keys.tolist():
        here = (detector.volume_id == volume) & (detector.layer_id == layer)
        halves = detector.max_half_u[here].max(), detector.half_v[here].max()
        axes = [
            {
                "bins": round(2 * half / pitch),
                "min": -half,
                "max": half,
                "option": "open",
                "type": "equidistant",
                "value": name,
            }
            for half, pitch, name in zip(halves, PITCH[volume], ("binX", "binY"), strict=True)
        ]
        geometric = {
            "indices": [0, 1],
            "thickness": float(detector.sensitive_thickness[here][0]),
            "threshold": 0.0,
            "digital": volume > 9,
            "segmentation": {"binningdata": axes},
            "charge-smearing": {"mean": 0.0, "stddev": 0.0, "type": "Gauss"},
        }
        entries.append({"volume": volume, "layer": layer, "value": {"geometric": geometric}})
    head = {"format-version": 0, "value-identifier": "digitization-configuration"}
    return {"acts-geometry-hierarchy-map": head, "entries": entries}
