"""Small events simulated and written by ACTS itself (extra `sim`)."""

from pathlib import Path
from typing import Any

from hitgraph.acts.geometry import generic_geometry


def add_pions(sequencer: Any, work: Path, csv: Path | None = None, seed: int = 7) -> None:
    """Ten pions of 1 to 5 GeV from a gun through Fatras and ACTS's digitisation, set up in `work`.

    Simulated hits and particles are written to `csv`.
    """
    import acts
    import acts.examples.simulation as simulation
    from acts import examples

    from hitgraph.acts import write_digitisation

    geometry, quiet, gev = generic_geometry(), acts.logging.ERROR, acts.UnitConstants.GeV
    write_digitisation(work / "digitisation.json")
    random = examples.RandomNumbers(seed=seed)
    simulation.addParticleGun(
        sequencer,
        simulation.EtaConfig(-2.5, 2.5),
        simulation.ParticleConfig(10, acts.PdgParticle.ePionPlus, True),
        simulation.MomentumConfig(1 * gev, 5 * gev, True),
        rnd=random,
    )
    tracking, field = geometry.tracking, geometry.field
    simulation.addFatras(sequencer, tracking, field, rnd=random, outputDirCsv=csv, logLevel=quiet)
    simulation.addDigitization(
        sequencer,
        tracking,
        field,
        digiConfigFile=work / "digitisation.json",
        rnd=random,
        doMerge=False,
        logLevel=quiet,
    )


def write_acts_csv(folder: Path, events: int = 1, clusters: bool = True) -> None:
    """Ten pions from a gun through Fatras and ACTS's digitisation into its CSV files.

    Without `clusters` the measurements have no global position and there are no cells.
    """
    import acts
    from acts import examples

    quiet, geometry = acts.logging.ERROR, generic_geometry().tracking
    folder.mkdir(parents=True, exist_ok=True)
    sequencer = examples.Sequencer(events=events, numThreads=1, trackFpes=False, logLevel=quiet)
    add_pions(sequencer, folder, folder)
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
