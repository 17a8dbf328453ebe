"""Do coders agree? One engine of pattern counts for every coefficient, with intervals."""
