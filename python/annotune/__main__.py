"""`python -m annotune`: the command line, where its script is not on the path."""

from annotune.cli import main

if __name__ == "__main__":
    main()
