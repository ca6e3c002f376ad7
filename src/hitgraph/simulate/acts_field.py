"""A magnetic field as ACTS takes it."""

import tempfile
from pathlib import Path
from typing import Any

from hitgraph.event.field import MagneticField, write_field


def acts_field(field: MagneticField) -> Any:
    """An acts.MagneticFieldProvider. ACTS interpolates the table linearly, as `field` does.

    ACTS reads tables from files only. Its own SolenoidBField is not the field of a solenoid: Br
    does not vanish on the axis (pyacts 48.1).
    """
    import acts

    tesla = acts.UnitConstants.T
    if field.is_constant:
        return acts.ConstantBField(acts.Vector3(0, 0, field.centre * tesla))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "field.txt"
        write_field(field, path)
        return acts.MagneticFieldMapRz(
            str(path), lengthUnit=acts.UnitConstants.mm, bFieldUnit=tesla, firstQuadrant=False
        )
