"""Evaluation, learning curves, comparisons of coders, calibration and abstention."""
