"""What was run, on what; finished pieces of long work; and files that appear whole or not at all."""
