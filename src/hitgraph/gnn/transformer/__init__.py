"""A transformer that tells targets' hits from others, and tracks as masks over them."""
