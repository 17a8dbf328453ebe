"""Pages of the site that stand elsewhere in the repository, or are made of it; mkdocs.yml names this file as a hook.

README.md is the first page, the vignettes with their results are tutorials, and the reference has a page for each task,
one for the command line, and one with R's help pages.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import annotune
from annotune.cli import app

ROOT = Path(__file__).parents[1]
VIGNETTES = ROOT / "r-package" / "vignettes"
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting-faults.md",
    "r-package/vignettes/annotune.Rmd": "tutorial-r.md",
    "r-package/vignettes/reliability.Rmd": "reliability-r.md",
    "r-package/vignettes/stata.Rmd": "stata-example.md",
}
COMMAND_LINE = "reference/command-line.md"
IN_R = "reference/r-functions.md"
HELP = re.compile(r"<h2[^>]*>(.*?)</h2>(.*)</div>\s*</body>", re.DOTALL)
WORDS = {"path": "PATH", "str": "TEXT", "int": "NUMBER", "float": "NUMBER"}  # types in the words of help pages
TYPE = re.compile(r"<(?:list\[)?(path|str|int|float)\]?>", re.IGNORECASE)
LINK = re.compile(r"\]\((?:\.\./|docs/)?([^)#:]+\.(?:md|png|svg))(#[^)]*)?\)")


def in_site(text: str) -> str:
    """A page of the repository whose links lead to pages of the site, which stand beside each other."""
    return LINK.sub(lambda link: f"]({PAGES.get(link[1], link[1])}{link[2] or ''})", text)


def path_of(task: str) -> str:
    """Where the reference's page of a task stands: `reference/how-good.md`."""
    return f"reference/{re.sub('[^a-z]+', '-', task.lower())}.md"


def reference(task: str, names: list[str]) -> str:
    """A page of the reference: each name is a directive, of which mkdocstrings makes signature and docstring."""
    return f"# {task}\n\n" + "\n\n".join(f"::: annotune.{annotune._HOME[name]}.{name}" for name in names) + "\n"


def command_line() -> str:
    """A page with every verb as `--help` shows it: what it does, how it is called, and its arguments and options."""
    verbs: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
    return "# Command line\n\n" + "\n".join(verb_help(name, verb) for name, verb in sorted(verbs.items()))


def verb_help(name: str, verb: Any) -> str:
    """A verb's part of the page, as plain text so that no sign of it is taken for markup."""
    context = verb.context_class(verb, info_name=f"annotune {name}", terminal_width=80)
    formatter = context.make_formatter()
    write_rows = formatter.write_dl
    formatter.write_dl = lambda rows, *args, **kwargs: write_rows(
        [(in_plain_words(name), words) for name, words in rows], *args, **kwargs
    )
    verb.format_usage(context, formatter)
    verb.format_help_text(context, formatter)
    verb.format_options(context, formatter)
    return f"## {name}\n\n````text\n{formatter.getvalue().strip()}\n````\n"


def in_plain_words(names: str) -> str:
    """An option with what it takes in a plain word, however often it may be given."""
    return TYPE.sub(lambda match: WORDS[match[1].lower()], names)


def r_functions() -> str:
    """A page with R's help, without its index and what packages share; where R is missing, a sentence."""
    head = "# R functions\n\nAs `help(at_tune)` shows them."
    if shutil.which("Rscript") is None:
        return f"{head} R was not there when this site was built, so they are left out.\n"
    pages = sorted((ROOT / "r-package" / "man").glob("*.Rd"))
    files = [str(page) for page in pages if "\\keyword{internal}" not in page.read_text("utf-8")]
    call = ["Rscript", "--vanilla", str(ROOT / ".ci" / "help_pages.R"), *files]
    parts = subprocess.run(call, capture_output=True, encoding="utf-8", check=True).stdout.split("\f")[1:]
    return "\n".join([head, *map(r_help, parts)])


def r_help(part: str) -> str:
    """A help page's part of that page: its name as a heading, and the HTML that R makes of it."""
    name, _, page = part.partition("\n")
    match = HELP.search(page)
    assert match is not None, name
    return f"\n## {name}\n\n<div>\n<p><strong>{match[1]}</strong></p>\n{match[2]}\n</div>\n"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The reference's pages in the navigation."""
    for entry in config.nav or []:
        if "Reference" in entry:
            entry["Reference"] = [
                *({task: path_of(task)} for task in config.extra["reference"]),
                {"Command line": COMMAND_LINE},
                {"R functions": IN_R},
            ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages and pictures that do not stand in docs/."""
    for source, target in PAGES.items():
        files.append(File.generated(config, target, content=(ROOT / source).read_text("utf-8")))
    for task, names in config.extra["reference"].items():
        files.append(File.generated(config, path_of(task), content=reference(task, names)))
    files.append(File.generated(config, COMMAND_LINE, content=command_line()))
    files.append(File.generated(config, IN_R, content=r_functions()))
    for figure in sorted((VIGNETTES / "figures").iterdir()):
        files.append(File.generated(config, f"figures/{figure.name}", abs_src_path=str(figure)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Every page with links that hold in the site."""
    return in_site(markdown)
