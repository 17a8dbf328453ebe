"""One page that shows what was done and how good it is, and its tables for a paper."""
