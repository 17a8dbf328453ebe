"""The report: one page with methods, evaluation and results, and its tables for a paper."""
