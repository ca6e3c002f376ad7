"""From hits to candidate edges."""
