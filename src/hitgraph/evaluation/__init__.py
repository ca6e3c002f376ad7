"""How good the tracks are: numbers, plots, event displays."""
