"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with the real TrackML event; tests skip where it is not given."""
    folder = os.environ.get("HITGRAPH_TEST_DATA")
    if not folder:
        pytest.skip("HITGRAPH_TEST_DATA is not set: no real TrackML event to test on")
    path = Path(folder)
    if not path.is_dir():
        pytest.skip(f"HITGRAPH_TEST_DATA={folder} is not a folder")
    return path
