"""Candidate edges: hits that are near in a learnt space."""
