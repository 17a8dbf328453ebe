"""The page's files as they are handed out: one by one from a server, or all of them in one file that needs none."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader

MODULES = (  # each after those that it imports from
    "dom.js",
    "words.js",
    "labels.js",
    "clock.js",
    "server.js",
    "outbox.js",
    "standalone.js",
    "preferences.js",
    "passage.js",
    "question.js",
    "codebook.js",
    "differences.js",
    "coding.js",
    "overview.js",
    "keyboard.js",
    "start.js",
)
STATIC = {"page.css": "text/css", **dict.fromkeys(MODULES, "text/javascript")}

NOTHING_ELSE = "default-src 'none'; img-src 'self' data:; base-uri 'none'; form-action 'none'"
PAGE_POLICY = (
    f"{NOTHING_ELSE}; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./[\w.]+";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)
_templates = Environment(
    loader=PackageLoader("annotune.hybrid.page"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


@cache
def static(name: str) -> bytes:
    """One of the files in `STATIC`.

    Raises
    ------
    KeyError
        For any other name: what a request names is looked up, and never becomes a path.
    """
    if name not in STATIC:
        raise KeyError(name)
    return files("annotune.hybrid.page").joinpath("static", name).read_bytes()


def page(role: str) -> str:
    """The page that a server hands out, without any data: it fetches them.

    Examples
    --------
    >>> "<script type=" in page("coder"), "annotune" in page("coder")
    (True, True)
    """
    return _templates.get_template("code.html.j2").render(role=role, modules=MODULES)


def stand_alone(data: dict[str, Any]) -> str:
    """One HTML file with texts, codebook, style and script in it, for places where no server may run.

    Parameters
    ----------
    data
        `study` and `items`, as the page would fetch them.
    """
    script, style = _one_script(), static("page.css").decode()
    policy = f"{NOTHING_ELSE}; script-src '{_hashed(script)}'; style-src '{_hashed(style)}'"
    content = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")  # no text can end its element
    role = data["study"].get("role", "coder")
    template = _templates.get_template("code.html.j2")
    return template.render(role=role, policy=policy, style=style, script=script, data=content)


@cache
def _one_script() -> str:
    """The modules one after the other, which then have nothing to import and nobody to export to."""
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", static(name).decode())) for name in MODULES)


def _hashed(content: str) -> str:
    """A text as a content security policy names it.

    >>> _hashed("alert(1)")
    'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='
    """
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
