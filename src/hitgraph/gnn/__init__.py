"""From candidate edges to edge scores: one network a file."""
