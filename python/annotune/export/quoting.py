"""Any text inside a script of Stata or R, so that the program sees that text and nothing of it is run.

In Stata, `$name` and `` `name' `` are replaced by a macro's content wherever they stand, in strings and in comments as
well. A backslash before `$` or a backquote prevents it, and stands for itself before anything but these and another
backslash: [U] 18.3 Macros in Stata's User's Guide, and StataCorp's FAQ "Backslashes and macros". Compound double quotes
are those of [U] 18.3.5 Double quotes.
"""

from __future__ import annotations

import json
import re

from annotune.errors import AnnotuneError

CONTROL = "\x00-\x1f\x7f"
STATA_SPECIAL = re.compile(rf'([$`"\\{CONTROL}])')  # what Stata reads as more than itself, or ends a line with
NO_FILE_NAME = re.compile(rf'"\'|`"|".*`$|[\\{CONTROL}]')  # a quote's own marks, the separator of folders, line breaks
R_SPECIAL = re.compile(rf"[\\`{CONTROL}]")  # between backticks
IN_COMMENT = str.maketrans({"`": "'", "$": "\N{FULLWIDTH DOLLAR SIGN}"})


def stata_string(text: str) -> str:
    r"""A text as an expression of Stata; signs that Stata reads as more than themselves are there by their number.

    >>> print(stata_string("Labour"), stata_string('cost: $5 "net"'))
    "Labour" "cost: " + char(36) + "5 " + char(34) + "net" + char(34)
    """
    pieces = [piece for piece in STATA_SPECIAL.split(text) if piece]
    signs = [f"char({ord(piece)})" if STATA_SPECIAL.fullmatch(piece) else f'"{piece}"' for piece in pieces]
    return " + ".join(signs) or '""'


def stata_file(name: str) -> str:
    r"""The name of a file where a command of Stata wants one, in compound quotes where it has quotes itself.

    Raises
    ------
    AnnotuneError
        For a name that no quotes of Stata can hold: with a backslash, a line break, or the marks of compound quotes.

    Examples
    --------
    >>> print(stata_file("results.dta"), stata_file("cost$.dta"), stata_file('a "b".dta'))
    "results.dta" "cost\$.dta" `"a "b".dta"'
    """
    if NO_FILE_NAME.search(name):
        raise AnnotuneError(f"A do-file cannot name the file {name!r}.", "Name it with letters and digits alone.")
    escaped = re.sub(r"[$`]", r"\\\g<0>", name)
    return f'`"{escaped}"\'' if '"' in name else f'"{escaped}"'


def r_string(text: str) -> str:
    r"""A text as a string of R, on one line.

    >>> print(r_string('say "a\\b"\n'), r_string("$x `y`"))
    "say \"a\\b\"\n" "$x `y`"
    """
    return json.dumps(text, ensure_ascii=False)


def r_name(name: str) -> str:
    r"""A column's name in a formula of R, on one line.

    >>> print(r_name("left/right"), r_name("a`b\n"))
    `left/right` `a\`b\x0a`
    """
    return "`" + R_SPECIAL.sub(lambda sign: _in_backticks(sign[0]), name) + "`"


def _in_backticks(sign: str) -> str:
    """A sign as R reads it between backticks, where it knows no escape by a character's number."""
    return f"\\{sign}" if sign in "\\`" else f"\\x{ord(sign):02x}"


def comment(text: str) -> str:
    """The text on one line, without the signs that begin a multi-line comment, go on in the next line, or are macros.

    >>> comment("topic == 'a // b' ~ /* $x */ `y`")
    "topic == 'a / / b' ~ / * ＄x */ 'y'"
    """
    line = re.sub(r"/(?=[/*])", "/ ", " ".join(text.split()))
    return line.translate(IN_COMMENT)
