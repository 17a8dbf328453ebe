"""share(): a bundle or a model in a plain folder, or on request in a repository of the Hugging Face hub."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from annotune.errors import AnnotuneError
from annotune.models.folder import CARD, read_card
from annotune.models.hub import SCHEME, is_on_hub, refusals_told, repository_of
from annotune.progress import say
from annotune.records.files import replacing
from annotune.records.sealed import differing, is_sealed
from annotune.replication.archive import LIST, list_in, unpack
from annotune.version import __version__

TEXTS_ARE_IN = "TEXTS ARE IN IT: the corpus, as it was coded."
NO_TEXTS = "Texts are not in it; identifiers, names of coders and covariates are."
OF_A_MODEL = (
    "No text is in it as such. Weights may hold pieces of the texts that a model learned from; the codebook's examples "
    "and the identifiers of held-out texts are in it."
)
README = "README.md"
SHOWN = ("macro_f1", "micro_f1", "accuracy", "kappa", "exact_set")


@dataclass(frozen=True)
class SharePlan:
    """What is about to be shared.

    Attributes
    ----------
    to
        The folder, or the repository, `hf://user/name`.
    kind
        `model` or `dataset`, as the hub calls a bundle.
    files
        How many bytes each file has.
    texts
        Whether texts are in it, in a sentence.
    public
        Whether everybody can read the repository.
    """

    to: str
    kind: str
    files: dict[str, int]
    texts: str
    public: bool

    def in_words(self) -> str:
        """What goes where, file by file."""
        place = f"{self.to} (a {'public' if self.public else 'private'} repository)" if is_on_hub(self.to) else self.to
        head = f"{len(self.files):,} files, {sum(self.files.values()) / 1e6:,.1f} MB, to {place}. {self.texts}"
        return "\n".join([head, *(f"  {name} ({size / 1e3:,.1f} kB)" for name, size in self.files.items())])


def share(
    source: str | Path,
    to: str | Path,
    *,
    public: bool = False,
    confirm: Callable[[SharePlan], bool] | None = None,
) -> str:
    """Put a bundle or a saved model where others find it: a plain folder, or a repository of the Hugging Face hub.

    What is shared is first compared with its fingerprints, and said, file by file, with whether texts are in it. Only
    `to="hf://user/name"` sends anything anywhere.

    Parameters
    ----------
    source
        A bundle (see `bundle`), or the folder of a saved model. A model gets a `README.md` with what it codes, how good
        it is and how it is loaded.
    to
        A new folder, ready to be put into Dataverse, Zenodo or a repository; or `hf://user/name`, a repository of the
        hub: of models, or for a bundle of data sets. It is made where it is not there. Who you are there is what
        `hf auth login` or HF_TOKEN says.
    public
        Whether everybody may read the repository. A repository that is public is refused without it.
    confirm
        Is handed the plan, and answers whether it is carried out.

    Returns
    -------
    str
        The folder, or the address with the commit, `hf://user/name@commit`, by which a model is loaded.

    Raises
    ------
    AnnotuneError
        For what is neither a bundle nor a model, or was changed since; without a login; where the hub refuses; where
        `confirm` says no.

    Examples
    --------
    >>> import annotune as at, tempfile
    >>> study = at.demo(tempfile.mkdtemp(), n=60, n_coded=40).study
    >>> size = study.write_text(study.read_text().replace("seed: 1", "seed: 1, method: probe, folds: 2"))
    >>> results = at.run(study)
    >>> folder = at.share(at.bundle(study, texts="none"), study.parent / "for-zenodo")
    >>> at.replicate(folder).state
    'identical'
    """
    path, on_hub = Path(source), is_on_hub(to)
    repository, revision = repository_of(to) if on_hub else ("", None)
    if revision is not None:
        raise AnnotuneError(f"{to} names a version.", "Name the repository alone: every upload is a new version.")
    if not on_hub and Path(to).exists():
        raise AnnotuneError(f"{to} is there already.", "Name a new folder.")
    with tempfile.TemporaryDirectory(prefix="annotune-") as name:
        folder = Path(name) / "content"
        folder.mkdir()
        kind, texts = _collect(path, folder)
        sizes = {file.relative_to(folder).as_posix(): file.stat().st_size for file in _files(folder)}
        place = f"{SCHEME}{repository}" if on_hub else str(to)
        plan = SharePlan(place, kind, sizes, texts, public)
        if confirm is None:
            say(plan.in_words())
        elif not confirm(plan):
            raise AnnotuneError("Nothing was shared.")
        if on_hub:
            return _upload(folder, repository, kind, public)
        with replacing(Path(to), make_folder=True) as draft:
            shutil.copytree(folder, draft)
        return str(to)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _collect(path: Path, folder: Path) -> tuple[str, str]:
    """Copy what is shared, compared with its fingerprints: which kind it is, and whether texts are in it."""
    if (path / CARD).is_file():
        _copy_model(path, folder)
        return "model", OF_A_MODEL
    if path.suffix.lower() in (".yaml", ".yml"):
        raise AnnotuneError(f"{path} is a study.", f"First: annotune bundle {path} --texts none")
    about = unpack(path, folder).about
    (folder / LIST).write_bytes(list_in(path))
    return "dataset", NO_TEXTS if about.get("texts") == "none" else TEXTS_ARE_IN


def _copy_model(path: Path, folder: Path) -> None:
    card = read_card(path)
    files = card.get("files", {})
    changed = differing(files, path)
    if not is_sealed(card) or changed or not files:
        what = f"{path / next(iter(changed), CARD)} is not what was saved."
        raise AnnotuneError(what, "Save the model again, and share that.")
    for name in (CARD, *files):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path / name, folder / name)
    (folder / README).write_text("\n".join(_page(path, card)) + "\n", encoding="utf-8")


def _page(path: Path, card: dict[str, Any]) -> Iterator[str]:
    """A model's page, with what the hub reads at its head."""
    from annotune.models.folder import read_held_out

    variable = card["variable"]
    head = {"library_name": "annotune", "pipeline_tag": "text-classification", "tags": ["annotune", "text-as-data"]}
    yield from ("---", yaml.safe_dump(head, sort_keys=False).strip(), "---", "", f"# {variable['name']}", "")
    yield from (str(variable.get("instruction") or "").strip(), "")
    yield f"Made by annotune {card['versions'].get('annotune', __version__)} from {card['base']['name']}."
    yield from (f"Labels: {', '.join(map(str, card['labels']))}.", "", "```python", "import annotune as at", "")
    yield from ('model = at.load("hf://user/name@commit")    # the address that share() printed', "```", "")
    evaluation = read_held_out(path)["evaluation"]
    if evaluation is not None:
        yield from ("| model | measure | estimate | texts |", "|---|---|---|---|")
        for row in evaluation.measures.iter_rows(named=True):
            if row["measure"] in SHOWN:
                yield f"| {row['model']} | {row['measure']} | {row['estimate']:.3f} | {row['n_units']} |"
        yield ""
    yield "It was measured on texts like those that it learned from, and on no others. Its codes have errors:"
    yield "regressions on them need a correction by texts that were coded by hand and drawn at random."


def _upload(folder: Path, repository: str, kind: str, public: bool) -> str:
    from huggingface_hub import HfApi, get_token

    if get_token() is None:
        raise AnnotuneError("Nobody is logged in to the Hugging Face hub.", "Run: hf auth login")
    api = HfApi()
    with refusals_told(repository):
        api.create_repo(repository, repo_type=kind, private=not public, exist_ok=True)
        if not public and not api.repo_info(repository, repo_type=kind).private:
            what = f"{SCHEME}{repository} is there already, and everybody can read it."
            raise AnnotuneError(what, "Choose another name, or say that it is to be public: public=True.")
        message = f"Shared by annotune {__version__}"
        commit = api.upload_folder(folder_path=folder, repo_id=repository, repo_type=kind, commit_message=message)
    return f"{SCHEME}{repository}@{commit.oid}"
