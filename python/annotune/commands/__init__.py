"""The verbs of the command line, a file per theme; `cli.py` gathers them."""
