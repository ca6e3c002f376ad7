"""Candidate edges from windows and a learnt score."""
