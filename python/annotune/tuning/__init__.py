"""A model from codings: a probe first, then fine-tuning that starts from it.

`tuner` is `tune`; `settings` says what can be chosen, `coded_texts` joins texts with their gold, `parts` keeps train,
validation and test apart, and `task` makes all of it ready; `probe` is where the network starts, `loop` the training
loop, `losses` what it makes small, `calibrate` what held-out texts say about probabilities and cut-offs, and `fit` puts
them together. `crossfit` codes a corpus with models that have not seen the texts, `uncoded` what nobody coded.
"""
