"""Models that code texts: tuned ones, their folders and exports, and decoders by the codebook alone."""
