"""Models propose codes: an interface that every kind of model fills, and one file for each kind."""
