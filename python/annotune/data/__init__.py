"""What is coded, texts, and codings: the one table and the layouts that it comes in."""
