"""Where results come from, what made two runs differ, and the same results again from a bundle."""
