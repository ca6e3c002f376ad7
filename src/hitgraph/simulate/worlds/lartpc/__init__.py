"""A liquid-argon time projection chamber: what the events leave out is in docs/worlds.md."""
