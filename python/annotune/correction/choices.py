"""The choices behind a coefficient that rests on machine labels, in the order in which they are listed and drawn."""

CHOICES = {  # each with what it is called in a sentence
    "coder": "who predicts",
    "base": "the base model",
    "method": "the method of tuning",
    "codebook": "the wording of the codebook",
    "seed": "the seed",
    "gold": "the gold rule",
    "cutoffs": "the rule of cut-offs",
    "prediction": "the prediction that is corrected",
    "correction": "the method of correction",
}
