"""The hand-made events of the evaluation's tests."""

from tests.evaluation.conftest import straight_event

__all__ = ["straight_event"]
