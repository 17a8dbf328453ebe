"""What computes a network: in which numbers, by which library; and which of them codes these texts fastest."""
