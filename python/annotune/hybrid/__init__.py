"""Which texts are coded by whom, what models propose, and what people decide: all of it in the study's store."""
