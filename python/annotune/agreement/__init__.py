"""Do coders agree, and what is the gold: one engine of pattern counts for every coefficient, with intervals."""
