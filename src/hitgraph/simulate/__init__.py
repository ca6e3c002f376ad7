"""Events made with Pythia, Fatras and ACTS digitisation (extra `sim`), and those of worlds."""
