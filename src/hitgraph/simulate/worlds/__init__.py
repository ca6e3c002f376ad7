"""Detectors other than a tracker around a beam line: one line each, by the name of --world.

A world is a frozen dataclass of settings and what it makes; everything else, from the folder of
events to the evaluation, is that of the tracker (docs/worlds.md). It needs no extra.
"""

import importlib
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from hitgraph.errors import SettingsError
from hitgraph.event.detector import Detector
from hitgraph.event.event import Event
from hitgraph.settings import parse, to_dict

WORLDS = {
    "hgcal": "hitgraph.simulate.worlds.hgcal.settings:HgcalSettings",
    "lartpc": "hitgraph.simulate.worlds.lartpc.settings:LartpcSettings",
}


class EventMaker(Protocol):
    """Makes the events of one kind."""

    @property
    def detector(self) -> Detector: ...

    def event(self, number: int) -> Event:
        """Event `number`; the same for the same settings and number, whatever came before."""


class WorldSettings(Protocol):
    """What the events of a world depend on, beside their number: a frozen dataclass."""

    world: ClassVar[str]  # its name in WORLDS

    @property
    def seed(self) -> int: ...

    def simulator(self) -> EventMaker:
        """What makes its events."""


def world_settings(name: str, values: Mapping[str, Any]) -> WorldSettings:
    """Settings of the world of that name. Raises SettingsError naming what is not allowed."""
    if name not in WORLDS:
        raise SettingsError(f"--world: {name!r} is not allowed; one of {', '.join(WORLDS)}")
    module, _, attribute = WORLDS[name].partition(":")
    settings: WorldSettings = parse(getattr(importlib.import_module(module), attribute), values)
    if not 0 <= settings.seed < 2**32:
        raise SettingsError(f"seed: {settings.seed} is not allowed, 0 to {2**32 - 1}")
    return settings


def world_info(settings: WorldSettings) -> dict[str, Any]:
    """What dataset.json says of the settings."""
    values = to_dict(settings)
    return {"world": settings.world, "seed": values.pop("seed"), "settings": values}
