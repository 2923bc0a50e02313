"""Probability: the mathematics of the lessons, one file a subject."""
