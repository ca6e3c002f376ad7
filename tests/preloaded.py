"""What the process has made from which those of the fixture `one_import` are forked."""

from importlib.util import find_spec

if find_spec("acts") is not None:
    from hitgraph.simulate.fatras import build_detector

    build_detector()
