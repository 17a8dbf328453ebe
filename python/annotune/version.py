"""The version of annotune, which outputs name."""

__version__ = "0.1.0"
