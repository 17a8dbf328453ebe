"""A model from codings: a probe first, then fine-tuning that starts from it.

`settings` says what can be chosen, `base` finds the base model, `parts` keeps train, validation and
test apart, `batches` makes batches, `encoder` is the network, `probe` its starting point, `loop` the
training loop, `losses` what it makes small, `calibrate` what held-out texts say about probabilities and
cut-offs, and `fit` puts them together. `slots` is a prompt as tokens, `speaker` a decoder that
answers it, and `memory` says what to do where there is too little of it.
"""
