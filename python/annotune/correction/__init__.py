"""Regressions and shares that account for the coder's error."""
