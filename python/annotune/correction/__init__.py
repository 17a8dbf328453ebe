"""Regressions and shares that know about the coder's error."""
