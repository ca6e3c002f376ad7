"""A high-granularity calorimeter: showers in an endcap, their energy in cells (docs/worlds.md)."""
