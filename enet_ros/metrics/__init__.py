"""Measures of accuracy and of delay."""
