"""code(): people code a study's texts on a page in their browsers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from annotune.data.codebook import Codebook, read_codebook
from annotune.data.corpus import Corpus, read_corpus
from annotune.data.frames import unique_names
from annotune.errors import AnnotuneError, PeopleNeeded, nearest_file
from annotune.hybrid.page.launch import Page, serve
from annotune.hybrid.page.offline import write_pages
from annotune.hybrid.page.texts import Columns
from annotune.hybrid.store import open_store
from annotune.hybrid.waves import last_wave, settings_of
from annotune.study.file import StudyFile, read_study
from annotune.study.parts import CodePart
from annotune.study.sources import corpus_of
from annotune.tables.store import SUFFIX

NETWORK = "0.0.0.0"


def code(
    study: str | Path,
    corpus: Any = None,
    codebook: Codebook | str | Path | None = None,
    coders: str | Sequence[str] = (),
    *,
    adjudicator: str | None = None,
    show: str | Sequence[str] = (),
    before: str | None = None,
    after: str | None = None,
    document: str | None = None,
    mark: str | None = None,
    network: bool = False,
    host: str | None = None,
    port: int | None = None,
    hours: float | None = None,
    browser: bool = True,
    wait: bool = True,
    offline: str | Path | None = None,
    seed: int = 1,
    say: Callable[[str], None] = print,
) -> Page | dict[str, Path]:
    """Serve the page on which people code, until it is interrupted.

    Every answer is in the store before the page says so. The page offers each coder the texts that `sample` drew; where
    nothing was drawn, all texts in a random order that coders share. What was coded of such an order counts as a simple
    random sample of the corpus: pi is the share that is coded (see docs/code.md).

    Parameters
    ----------
    study
        A study.yaml, of which corpus, codebook and coders are taken (and the first wave drawn, if it says so), or a
        study's store (.annotune), made where there is none.
    corpus, codebook
        The texts, a file or a table with `unit_id` and `text`, and what is coded of them; not with a study.yaml. The
        codebook may be left out where the store has one.
    coders
        Who codes: those among whom texts were divided when left out.
    adjudicator
        Somebody who settles what coders see differently, a coder like any other: `resolve(rule="adjudicated")`.
    show, before, after
        Columns of the corpus that are shown beside the text, and those with the text before and after it.
    document
        The column with each text's document: the three texts on either side are shown.
    mark
        The column with a passage of the text that is marked: its words, or a list of its start and end.
    network, host
        Whether other machines in the local network can reach the page, unencrypted, or the address to listen on. The
        links then end.
    port
        By default 8470, or the next that is free.
    hours
        After how many links end on the network; 12 by default.
    browser, wait
        Whether the first coder's link is opened here, and whether to wait until it is interrupted (Ctrl-C).
    offline
        A folder: nothing is served, and a page that needs no server is written for each coder, `code_anna.html`. What
        is exported there is read by `record` and `read_codings`.
    seed
        Of the random order, where nothing was drawn.
    say
        Is told the links.

    Returns
    -------
    Page
        `links`; `codings()`, `people()` and `versions()` (agreement under each version of the codebook), `stop()`. With
        `offline` the file of each coder.

    Raises
    ------
    AnnotuneError
        Where the extra `page` is not installed, for a corpus of another study, coders for whom nothing was drawn, and a
        port that is in use.

    Examples
    --------
    >>> import annotune as at, polars as pl, tempfile
    >>> corpus = pl.DataFrame({"unit_id": ["a", "b"], "text": ["More nurses!", "The court has ruled."]})
    >>> topic = at.Variable(name="topic", labels=(at.Label(code=1, name="Health"), at.Label(code=2, name="Law")))
    >>> store = Path(tempfile.mkdtemp()) / "study.annotune"
    >>> book, options = at.Codebook(variables=(topic,)), {"port": 0, "browser": False, "wait": False}
    >>> page = at.code(store, corpus, book, ["anna"], **options, say=lambda line: None)
    >>> page.links["anna"].startswith("http://127.0.0.1:")
    True
    >>> page.stop()
    >>> page.people().select("coder", "texts", "coded").rows()
    [('anna', 2, 0)]
    """
    path = Path(study)
    people = [coders] if isinstance(coders, str) else list(coders)
    part = CodePart(coders=tuple(people), adjudicator=adjudicator, show=tuple(unique_names(show)))
    part = part.model_copy(update={"before": before, "after": after, "document": document, "mark": mark})
    part = part.model_copy(update={"port": port, "hours": hours})
    if path.suffix == SUFFIX:
        _require_store(path, codebook is not None, bool(people))
        texts, book, name = _named(corpus, codebook)
    else:
        if corpus is not None or codebook is not None:
            raise AnnotuneError("A study file has its corpus and its codebook.", "Leave out corpus= and codebook=.")
        file = read_study(path)
        path, texts, book, name = _of_study(file, say)
        part = _together(part, file.study.code)
    about: dict[str, Any] = {"columns": _columns(path, part), "name": name, "seed": seed}
    if offline is not None:
        _require_nothing_served(adjudicator=adjudicator, host=host, port=port, hours=hours, network=network or None)
        return write_pages(path, texts, book, part.coders, Path(offline), **about)
    page = serve(
        path,
        texts,
        book,
        part.coders,
        **about,
        adjudicator=part.adjudicator,
        host=host or (NETWORK if network else "127.0.0.1"),
        port=part.port,
        hours=12.0 if part.hours is None else part.hours,
        browser=browser,
    )
    for line in page.instructions():
        say(line)
    if wait:
        say("Stop with Ctrl-C; what is coded is kept.")
        page.wait()
    return page


def _require_store(path: Path, has_codebook: bool, has_people: bool) -> None:
    """Stop where a store is not there, and not enough is said to make one: its name may be misspelt."""
    lacks = "there is no codebook" if not has_codebook else None if has_people else "nobody is named who codes"
    if lacks is not None and not path.exists():
        advice = f"{nearest_file(path)} A new one is made with codebook= and coders=."
        raise AnnotuneError(f"There is no store {path}, and {lacks}.", advice)


def _named(corpus: Any, codebook: Codebook | str | Path | None) -> tuple[Corpus, Codebook | None, str]:
    """The texts and the codebook as they were given."""
    if corpus is None:
        raise AnnotuneError("The store has no texts.", "Give them with corpus=, or name a study.yaml.")
    book = read_codebook(codebook) if isinstance(codebook, (str, Path)) else codebook
    return read_corpus(corpus), book, book.name if book is not None else ""


def _of_study(file: StudyFile, say: Callable[[str], None]) -> tuple[Path, Corpus, Codebook, str]:
    """A study's store, texts, codebook and name; its first wave is drawn, where it plans any."""
    if file.store.suffix != SUFFIX:
        what = f"{file.path}: {file.store.name} is a table of draws, to which no answers can be added."
        raise AnnotuneError(what, "Name a store (.annotune), or have the study draw: sample: {n: 300}.")
    if file.study.sample is not None and file.study.sample.draws_texts and not _has_waves(file.store):
        from annotune.study.run import run  # it brings all that a study may need, which serving does not

        try:
            run(file.path, say=say)
        except PeopleNeeded as halt:
            say(halt.what)
    codebook = read_codebook(file.beside(file.study.codebook))
    return file.store, corpus_of(file), codebook, codebook.name or file.path.stem


def _has_waves(store: Path) -> bool:
    if not store.exists():
        return False
    with open_store(store) as kept:
        return last_wave(kept) > 0


def _require_nothing_served(**options: Any) -> None:
    """Refuse what a page without a server cannot have."""
    name = next((name for name, value in options.items() if value is not None), None)
    if name is not None:
        raise AnnotuneError(f"{name}= is of a page that is served, and offline= serves none.", "Leave one of them out.")


def _together(part: CodePart, study: CodePart) -> CodePart:
    """What was asked for in the call, and for the rest what the study file says."""
    own = {name: value for name, value in part.model_dump().items() if value not in (None, ())}
    return study.model_copy(update=own)


def _columns(store: Path, part: CodePart) -> Columns:
    """What is shown beside the text: what is named, or else what the last wave was drawn with."""
    columns = Columns(part.show, part.before, part.after, part.document, part.mark)
    if columns.names or not store.exists():
        return columns
    with open_store(store) as kept:
        drawn = settings_of(kept, last_wave(kept))
    return replace(columns, show=drawn.get("show", ()), before=drawn.get("before"), after=drawn.get("after"))
