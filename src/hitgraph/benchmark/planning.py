"""How many cores or GPUs a trigger farm would need at a measured rate, and what they cost.

Every number that is not measured is a field of `Assumptions`; docs/performance.md says where each
comes from.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HOURS_A_YEAR = 8766.0
ASSUMED_GPU_SECONDS = 0.05  # an event of ASSUMED_HITS; stands in where no GPU was measured
ASSUMED_HITS = 110e3


@dataclass(frozen=True)
class Assumptions:
    """What the plan takes for granted. Prices are round guesses: put your own in."""

    full_rate: float = 150e3  # Hz, full events (ATLAS at the HL-LHC, event filter)
    regional_rate: float = 1e6  # Hz, regions of events
    region: float = 0.1  # of an event
    hits_per_event: float = 300e3  # ATLAS ITk; simulated events here have about 120,000
    utilisation: float = 0.7  # of the farm: headroom for peaks, broken nodes, everything else
    core_price: float = 120.0  # of a server, per core, in euros
    core_power: float = 5.0  # W, with its share of the server
    gpu_price: float = 35e3  # of one GPU with its share of a server, in euros
    gpu_power: float = 1000.0  # W, with its share of the server
    overhead: float = 1.3  # power of the building over that of the servers
    years: float = 5.0
    power_price: float = 0.15  # euros per kWh


@dataclass(frozen=True)
class Farm:
    """What one task needs of one kind of unit."""

    task: str
    unit: str
    rate: float  # Hz
    per_unit: float  # events or regions a second of one unit, at the size assumed
    units: int
    price: float  # euros, once
    power: float  # W, with the building's overhead
    energy_cost: float  # euros over the years


def farm(
    task: str,
    unit: str,
    rate: float,
    rate_of_unit: float,
    hits_measured: float,
    hits_wanted: float,
    exponent: float = 1.0,
    assumptions: Assumptions | None = None,
) -> Farm:
    """The farm for `rate` if a unit does `rate_of_unit` events a second of `hits_measured` hits.

    Time is taken to grow as hits to the power `exponent`. unit: "core" or "GPU".
    """
    a = assumptions or Assumptions()
    per_unit = rate_of_unit * (hits_measured / hits_wanted) ** exponent
    units = math.ceil(rate / per_unit / a.utilisation)
    price, power = (a.gpu_price, a.gpu_power) if unit == "GPU" else (a.core_price, a.core_power)
    watts = units * power * a.overhead
    energy = watts / 1000 * HOURS_A_YEAR * a.years * a.power_price
    return Farm(task, unit, rate, per_unit, units, units * price, watts, energy)


def plan(run: Mapping[str, Any], assumptions: Assumptions | None = None) -> list[Farm]:
    """Farms for full events and for regions from the throughput that a run measured.

    The best layout of each kind counts; if others kept the machine busy meanwhile, what its CPU
    time allows counts instead of the rate that was left. Where the run measured growth, its
    exponent takes the times to the size of event assumed; else they are taken to grow with the
    hits. Without a GPU the assumed time stands in for it, and the task says so. Empty without
    throughput.
    """
    a = assumptions or Assumptions()
    exponent = 1.0
    for name, part in run["parts"].items():
        fitted = part["exponents"]["all"]["cpu"]["exponent"] if "exponents" in part else None
        exponent = fitted if fitted is not None and name.startswith("growth, cpu") else exponent
    farms = []
    for unit in ("core", "GPU"):
        for task, rate, share in (
            ("full events", a.full_rate, 1.0),
            ("regions", a.regional_rate, a.region),
        ):
            best = _best(run["parts"], unit, share)
            if best is not None:
                farms.append(farm(task, unit, rate, *best, share * a.hits_per_event, exponent, a))
            elif unit == "GPU" and _best(run["parts"], "core", share) is not None:
                assumed = (1 / (ASSUMED_GPU_SECONDS * share), ASSUMED_HITS * share)
                task = f"{task}, GPU assumed, not measured"
                farms.append(farm(task, unit, rate, *assumed, share * a.hits_per_event, 1.0, a))
    return farms


def _best(parts: Mapping[str, Any], unit: str, share: float) -> tuple[float, float] | None:
    """Most events a second of one core or GPU, and their hits; None where nobody measured it."""
    found = [
        (_rate(part), part["hits_per_event"])
        for name, part in parts.items()
        if name.startswith("throughput")
        and part["share"] == share
        and (part["device"] == "cpu") == (unit == "core")
    ]
    return max(found, default=None)


def _rate(part: Mapping[str, Any]) -> float:
    """Events a second of one core or GPU."""
    if part["crowded"] and part["device"] == "cpu":
        return 1 / float(part["cpu_seconds_per_event"])
    units = part["processes"] * part["threads"] if part["device"] == "cpu" else 1
    return float(part["events_per_second"]) / units
