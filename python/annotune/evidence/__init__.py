"""How good, with how many labels, compared to what, and where it is unsure."""
