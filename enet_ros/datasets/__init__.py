"""Data sets: each yields the same Sample."""
