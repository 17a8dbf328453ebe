"""`python -m annotune`: the command line, where its script is not on the path."""

from annotune.cli import main

main()
