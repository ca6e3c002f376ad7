"""Events made by hand, as for the tests of evaluation."""

from tests.evaluation.conftest import straight_event as straight_event
