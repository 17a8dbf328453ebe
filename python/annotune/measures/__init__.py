"""How well answers agree with the truth, as numbers; and what a model has to beat."""
