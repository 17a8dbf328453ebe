"""A tuned model in the formats of other programs, and proof that it says the same there.

`export` writes one whole or not at all; `parity` is the gate that it passes first; `adapter`, `merged`, `onnx` and
`gguf` each write one format and run it by the means of the program that the format is for; `recipe` is what travels
with a folder; `origin` says where an adapter's base came from; `answer_tokens` is how a model that says the label is
asked; `llama_vocabulary` is a tokenizer as llama.cpp reads it.
"""
