r"""The .tab files of a Dataverse: tabs between cells, and backslashes before special characters.

The form is that of its ingest, `escapedString` in the readers of `edu.harvard.iq.dataverse.ingest.tabulardata`.
"""

from __future__ import annotations

import re

_DOUBLED = re.compile(r'[^\t\n\\]""|""[^\t\n]')  # a quotation mark as csv files have it
_QUOTED = re.compile(r'(?<![^\t\n])"((?:[^"\\\n]|\\.)*)"(?![^\t\n])')  # a whole cell
_ESCAPED = re.compile(r"\\(.)")
_MEANING = {"n": "\n", "t": "\t", "r": "\r"}


def plain(text: str) -> str:
    r"""The text of a .tab file with quotation marks as csv files have them; any other tab-separated text as it is.

    >>> print(plain('id\ttext\n1\t"the \\"new\\" budget"\n'))
    id      text
    1       "the ""new"" budget"
    """
    if _DOUBLED.search(text):
        return text
    return _QUOTED.sub(lambda match: '"' + _unescaped(match.group(1)).replace('"', '""') + '"', text)


def _unescaped(cell: str) -> str:
    return _ESCAPED.sub(lambda match: _MEANING.get(match.group(1), match.group(1)), cell)
