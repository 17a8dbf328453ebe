"""Text with the special characters of LaTeX escaped."""

from __future__ import annotations

SIGNS = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"} | {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    ">": r"\textgreater{}",
    "<": r"\textless{}",
}


def escaped(text: str) -> str:
    r"""The text with the special characters of LaTeX escaped.

    >>> escaped("topic_1 & 5 %")
    'topic\\_1 \\& 5 \\%'
    """
    return "".join(SIGNS.get(sign, sign) for sign in text)
