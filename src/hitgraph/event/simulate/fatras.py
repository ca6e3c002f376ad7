"""Fatras, the fast simulation of ACTS: particles -> where they cross the modules."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitgraph.event.simulate.generator import Generated
from hitgraph.event.simulate.settings import FIELD, MIN_MOMENTUM

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Crossings:
    """One row for every time a particle (or a noise hit's pretended one) crosses a module."""

    module: Int64  # (n_hits,) dense module index
    particle_id: Int64  # (n_hits,) 0 = noise
    position: Float64  # (n_hits, 3) mm, on the module's surface
    momentum: Float64  # (n_hits, 3) GeV, on arrival

    def __len__(self) -> int:
        return len(self.module)


def build_detector() -> Any:
    """The ACTS GenericDetector, the detector of TrackML (first-generation geometry)."""
    import acts
    import acts.examples

    return acts.examples.GenericDetector(logLevel=acts.logging.ERROR)


class Fatras:
    """Simulates events in one detector; reseeded for every event."""

    def __init__(self, detector: Any, module_row: dict[int, int]) -> None:
        """`module_row` maps an ACTS geometry identifier to the dense module index."""
        import acts

        self._tracking_geometry = detector.trackingGeometry()
        self._module_row = module_row
        self._field = acts.ConstantBField(acts.Vector3(0, 0, FIELD * acts.UnitConstants.T))

    def simulate(self, generated: Generated, seed: int) -> Crossings:
        """Every crossing of an active module, in no particular order.

        `seed` is a 63-bit number that fixes multiple scattering and energy loss.
        """
        import acts
        from acts import examples

        quiet = acts.logging.FATAL
        random = examples.RandomNumbers(seed=seed)
        sequencer = examples.Sequencer(events=1, numThreads=1, trackFpes=False, logLevel=quiet)
        sequencer.addAlgorithm(_feeder(generated))
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
        return self._crossings(rows, generated)

    def _crossings(self, rows: list[tuple[float, ...]], generated: Generated) -> Crossings:
        identifiers = np.array([row[0] for row in rows], np.int64)
        numbers = np.array([row[1:] for row in rows], np.float64).reshape(-1, 7)
        unique, inverse = np.unique(identifiers, return_inverse=True)
        module = np.array([self._module_row[int(one)] for one in unique], np.int64)
        return Crossings(
            module=module[inverse],
            particle_id=generated.particle_id[numbers[:, 0].astype(np.int64)],
            position=numbers[:, 1:4],
            momentum=numbers[:, 4:7],
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
                generated.pdg.tolist(),
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


def _collector(rows: list[tuple[float, ...]]) -> Any:
    """An ACTS algorithm that appends (module identifier, particle row, x, y, z, px, py, pz)."""
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
                rows.append((hit.geometryId.value, row, x[0], x[1], x[2], p[0], p[1], p[2]))
            return examples.ProcessCode.SUCCESS

    return Collector()
