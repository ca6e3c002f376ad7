"""Fatras, the fast simulation of ACTS: particles -> the surfaces they cross."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.field import MagneticField
from hitgraph.simulate.acts_field import acts_field
from hitgraph.simulate.crossings import OTHER_MATERIAL, Steps
from hitgraph.simulate.generator import Generated
from hitgraph.simulate.material import tuned_material
from hitgraph.simulate.settings import MIN_MOMENTUM

Int64 = NDArray[np.int64]

VOLUME_SHIFT = 56  # bits of an ACTS geometry identifier below its volume
LAST_LEPTON, PION = 100, 211  # PDG codes


@cache
def build_detector() -> Any:
    """The ACTS GenericDetector, the detector of TrackML (first-generation geometry).

    Built once a process: it takes seconds.
    """
    import acts
    from acts.examples import GenericDetector

    thin = GenericDetector(logLevel=acts.logging.ERROR)
    return GenericDetector(logLevel=acts.logging.ERROR, materialDecorator=tuned_material(thin))


class Fatras:
    """Simulates events in one detector; reseeded for every event."""

    def __init__(self, detector: Any, module_row: dict[int, int], field: MagneticField) -> None:
        """`module_row` maps an ACTS geometry identifier to the dense module index."""
        self._tracking_geometry = detector.trackingGeometry()
        self._module_row = module_row
        self._field = acts_field(field)

    def simulate(self, particles: Generated, seed: int, material: bool = False) -> Steps:
        """Every module crossed, and with `material` every other surface that holds material.

        `seed` is a 63-bit number that fixes multiple scattering and energy loss.
        """
        import acts
        from acts import examples

        quiet = acts.logging.FATAL
        random = examples.RandomNumbers(seed=seed)
        sequencer = examples.Sequencer(events=1, numThreads=1, trackFpes=False, logLevel=quiet)
        sequencer.addAlgorithm(_feeder(particles))
        sequencer.addAlgorithm(
            examples.FatrasSimulation(
                level=quiet,
                inputParticles="particles",
                outputParticles="simulated",
                outputSimHits="hits",
                randomNumbers=random,
                trackingGeometry=self._tracking_geometry,
                magneticField=self._field,
                generateHitsOnSensitive=True,
                generateHitsOnMaterial=material,
                emScattering=True,
                emEnergyLossIonisation=True,
                emEnergyLossRadiation=True,
                emPhotonConversion=False,
                pMin=MIN_MOMENTUM * acts.UnitConstants.GeV,
            )
        )
        rows: list[tuple[float, ...]] = []
        sequencer.addAlgorithm(_collector(rows))
        sequencer.run()
        return self._steps(rows)

    def _steps(self, rows: list[tuple[float, ...]]) -> Steps:
        identifiers = np.array([row[0] for row in rows], np.int64)
        numbers = np.array([row[1:] for row in rows], np.float64).reshape(-1, 8)
        unique, inverse = np.unique(identifiers, return_inverse=True)
        module = np.array(
            [self._module_row.get(int(one), OTHER_MATERIAL) for one in unique], np.int64
        )
        return Steps(
            particle=numbers[:, 0].astype(np.int64),
            number=numbers[:, 1].astype(np.int64),
            volume=identifiers >> VOLUME_SHIFT & 0xFF,
            module=module[inverse],
            position=numbers[:, 2:5],
            momentum=numbers[:, 5:8],
        )


def _feeder(generated: Generated) -> Any:
    """An ACTS algorithm that hands the particles on; a particle's barcode is its row + 1."""
    import acts
    from acts import examples

    class Feeder(examples.IAlgorithm):  # type: ignore[misc]
        def __init__(self) -> None:
            examples.IAlgorithm.__init__(self, "Feeder", acts.logging.ERROR)
            self.output = examples.WriteDataHandle(self, examples.SimParticleContainer, "Output")
            self.output.initialize("particles")

        def execute(self, context: Any) -> Any:
            mm, gev = acts.UnitConstants.mm, acts.UnitConstants.GeV
            container = examples.SimParticleContainer()
            total = np.linalg.norm(generated.momentum, axis=1)
            rows = zip(
                _stepped_as(generated).tolist(),
                (generated.vertex * mm).tolist(),
                (generated.momentum / total[:, None]).tolist(),
                (total * gev).tolist(),
                strict=True,
            )
            for number, (pdg, vertex, direction, momentum) in enumerate(rows, start=1):
                barcode = examples.SimBarcode()
                barcode.vertexPrimary = 1
                barcode.particle = number
                particle = examples.SimParticle(barcode, acts.PdgParticle(pdg))
                particle.fourPosition = acts.Vector4(*vertex, 0.0)
                particle.direction = acts.Vector3(*direction)
                particle.absoluteMomentum = momentum
                container.insert(particle)
            self.output(context, container)
            return examples.ProcessCode.SUCCESS

    return Feeder()


def _stepped_as(generated: Generated) -> Int64:
    """(n_particles,) PDG codes with which they are stepped: all hadrons as pions of their charge.

    So did the simulation of TrackML, where protons and kaons lose the momentum of pions.
    """
    hadron = np.abs(generated.pdg) > LAST_LEPTON
    return np.where(hadron, np.where(generated.charge > 0, PION, -PION), generated.pdg)


def _collector(rows: list[tuple[float, ...]]) -> Any:
    """An ACTS algorithm that appends (surface, particle row, its how-many-eth, x, p) a hit."""
    import acts
    from acts import examples

    class Collector(examples.IAlgorithm):  # type: ignore[misc]
        def __init__(self) -> None:
            examples.IAlgorithm.__init__(self, "Collector", acts.logging.ERROR)
            self.input = examples.ReadDataHandle(self, examples.SimHitContainer, "Input")
            self.input.initialize("hits")

        def execute(self, context: Any) -> Any:
            for hit in self.input(context.eventStore):
                x, p = hit.fourPosition, hit.momentum4Before
                row = hit.particleId.particle - 1
                surface = hit.geometryId.value
                rows.append((surface, row, hit.index, x[0], x[1], x[2], p[0], p[1], p[2]))
            return examples.ProcessCode.SUCCESS

    return Collector()
