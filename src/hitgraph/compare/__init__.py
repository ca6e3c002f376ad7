"""Recipes beside each other: taught for the same time on the same events, judged on others."""
