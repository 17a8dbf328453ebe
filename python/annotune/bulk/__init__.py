"""Very many texts: coded a shard at a time, by as many processes as there are, on one machine or on many."""
