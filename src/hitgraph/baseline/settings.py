"""What the combinatorial Kalman filter is told; tuned on simulated events, see docs/baseline.md."""

from dataclasses import dataclass, replace

PIXELS = ((7, 0), (8, 0), (9, 0))
PIXELS_AND_FIRST_STRIPS = (*PIXELS, (12, 0), (13, 2), (14, 0))


@dataclass(frozen=True)
class SearchPass:
    """One search on the hits that earlier searches left. Lengths in mm, momenta in GeV."""

    min_pt: float  # of the seeds
    seed_layers: tuple[tuple[int, int], ...] = PIXELS  # volume and layer, 0 = all of the volume
    max_seed_radius: float = 200.0
    max_seed_step: float = 60.0  # in radius, between two hits of a seed
    middle_radius: tuple[float, float] = (35.0, 150.0)  # of the middle hit of a seed
    max_impact: float = 3.0  # transverse distance of the seed from the beam line
    seeds_per_middle: int = 5
    max_chi2: float = 20.0  # of a measurement that joins a track
    max_outlier_chi2: float = 100.0  # of one that is noted as an outlier
    max_holes: int = 1  # in the pixels, and again in the strips
    min_measurements: int = 7
    max_shared: int = 1  # measurements that a track may share with others


# Tracks from the beam line with hits in neighbouring pixel layers: most are easy, and gone then.
STIFF = SearchPass(min_pt=0.5)
# Soft tracks, and seeds across a layer.
SOFT = SearchPass(min_pt=0.1, max_seed_step=150.0, middle_radius=(20.0, 190.0))
# Seeds across the gap between barrel and endcaps too.
GAPS = replace(SOFT, min_pt=0.3, seed_layers=PIXELS_AND_FIRST_STRIPS, max_seed_radius=300.0)
# What is left: short tracks, tracks with holes, tracks that do not come from the beam line.
LEFT = replace(
    GAPS, min_pt=0.1, max_impact=40.0, seeds_per_middle=10, max_holes=2, min_measurements=6
)

CKF = (STIFF, GAPS, SOFT, LEFT)

# Of seeds that a network has chosen: few are wrong, so short tracks are good ones too.
SEEDED = replace(LEFT, seed_layers=(), max_holes=1, min_measurements=4, max_shared=2)
SEED_CUT = 0.1  # on the score of such a seed
