"""Bags: reading them whatever their state, writing them, and matching their frames with annotations."""
