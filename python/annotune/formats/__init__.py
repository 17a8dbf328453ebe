"""A tuned model in the formats of other programs, and proof that it says the same there.

`leave` writes an export whole or not at all; `parity` is the gate that it passes first; `adapter`, `merged`, `onnx` and
`gguf` each write one format and run it by the means of the program that the format is for; `recipe` is what travels
with a folder; `vocabulary` is a tokenizer as llama.cpp reads it.
"""
