"""The page on which people code: what they see, what they decide, and who may."""
