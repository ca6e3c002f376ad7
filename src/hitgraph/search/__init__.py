"""A search for recipes: keys are varied, each trial is taught for the same time, the best stay."""
