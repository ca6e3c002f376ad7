"""Primary vertices as the last stage of a pipeline: tracks grouped by where they come from."""
