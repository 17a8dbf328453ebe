"""No verb replaces what it reads, or computes what it could not write: of every output of every verb."""

import inspect
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from annotune import cli

READ = {"corpus", "gold", "codebook", "codings", "data", "truth", "predicted", "held_out", "model", "costs", "texts"}
READ |= {"answers", "record", "coded", "path", "earlier", "draws", "hand_coded"}
READ_BY = {
    ("classify", "places"),
    ("classify", "clusters"),
    ("status", "out"),
    ("sample", "predictions"),
    ("anchoring", "proposals"),
    ("test_codebook", "paraphrase"),
    ("tune", "coders"),
    ("diff", "a"),
    ("diff", "b"),
    ("replicate", "bundle"),
    ("replicate", "environment"),  # a new folder: tests/replication/test_environment.py
    ("share", "source"),
}  # which others write
STORES = {"store"}  # a study's store is added to, and never replaced: tests/hybrid/test_store.py
WRITTEN = {"write", "out", "paths", "plot", "predictions", "sentences", "shares", "recall", "offline", "write_sbatch"}
FOLDERS = {
    ("tune", "out"),
    ("classify", "out"),
    ("curve", "out"),
    ("crossfit", "out"),
    ("export", "out"),
    ("demo", "out"),
    ("new", "out"),
    ("bundle", "out"),
    ("replicate", "out"),
    ("evaluate", "out"),
    ("code", "offline"),
    ("classify", "write_sbatch"),  # a script, whatever it is called
}
SETTINGS = {"study"}  # a study file names its own inputs and outputs


def paths_of(verb):
    """The names of a verb's parameters that are paths, and which of them take several."""
    found = {}
    for name, hint in get_type_hints(verb).items():
        kinds = {hint, *get_args(hint)}
        if Path in kinds or list[Path] in kinds:
            found[name] = list[Path] in kinds
    return found


def is_read(verb, name):
    return name in READ or (verb.__name__, name) in READ_BY


OUTPUTS = [
    (verb, name)
    for verb in cli.VERBS
    for name in paths_of(verb)
    if not is_read(verb, name) and name not in SETTINGS | STORES
]
WITH_INPUTS = [(verb, name) for verb, name in OUTPUTS if READ & paths_of(verb).keys()]


def pairs(given):
    return pytest.mark.parametrize(("verb", "output"), given, ids=[f"{verb.__name__}-{name}" for verb, name in given])


def call(verb, output, target, folder):
    """The command line of a verb that reads input.csv throughout, and writes to `target`."""
    words = [verb.__name__.rstrip("_").replace("_", "-")]
    paths, kinds = paths_of(verb), get_type_hints(verb)
    for name, parameter in inspect.signature(verb).parameters.items():
        if name == output:
            value = target
        elif (verb.__name__, output, name) == ("classify", "write_sbatch", "out"):
            value = folder / "coded"
        elif name in paths and is_read(verb, name):
            value = folder / "input.csv"
        elif parameter.default is inspect.Parameter.empty:
            value = folder / f"{name}.csv" if name in paths else "1" if kinds[name] is int else "x"
        else:
            continue
        words += [value] if is_argument(verb, name) else [f"--{name.replace('_', '-')}", value]
    return [str(word) for word in words]


def is_argument(verb, name):
    from typer.models import ArgumentInfo

    hint = get_type_hints(verb, include_extras=True)[name]
    return any(isinstance(about, ArgumentInfo) for about in getattr(hint, "__metadata__", ()))


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """What a verb says when it ends with exit code 2, having read nothing and written nothing."""
    there = tmp_path / "input.csv"
    there.write_text("nobody should read this\n")
    monkeypatch.chdir(tmp_path)

    def run(verb, output, target):
        before = sorted(tmp_path.rglob("*"))
        monkeypatch.setattr(sys, "argv", ["annotune", *call(verb, output, target, tmp_path)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = " ".join(capsys.readouterr().err.split())
        assert end.value.code == 2, said
        assert there.read_text() == "nobody should read this\n"
        assert sorted(tmp_path.rglob("*")) == before
        assert "Traceback" not in said
        return said

    return run


def test_every_path_of_every_verb_is_read_or_written():
    for verb in cli.VERBS:
        others = {name for name in paths_of(verb) if not is_read(verb, name)}
        assert others <= WRITTEN | SETTINGS | STORES, f"Say in this file what {verb.__name__} does."


@pairs(WITH_INPUTS)
def test_no_input_is_replaced(refused, tmp_path, verb, output):
    (tmp_path / "below").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "input.csv")
    for target in (tmp_path / "input.csv", Path("input.csv"), Path("below/../input.csv"), Path("link.csv")):
        said = refused(verb, output, target)
        assert "is read" in said or f"cannot be written: see {tmp_path / 'input.csv'}" in said


@pairs(OUTPUTS)
def test_a_place_that_cannot_be_is_said_at_once(refused, tmp_path, verb, output):
    (tmp_path / "notes.txt").write_text("a file is no folder")
    said = refused(verb, output, tmp_path / "notes.txt" / "inside.csv")
    assert "cannot be written" in said or "cannot be made" in said


@pairs([(verb, name) for verb, name in OUTPUTS if (verb.__name__, name) not in FOLDERS])
def test_a_format_that_there_is_not_is_said_at_once(refused, tmp_path, verb, output):
    said = refused(verb, output, tmp_path / "result.nonsense")
    assert "nonsense" in said
    assert ".csv" in said or ".png" in said or ".html" in said


def test_a_folder_is_not_replaced_with_what_lies_in_it(refused, tmp_path):
    tune = next(verb for verb in cli.VERBS if verb.__name__ == "tune")
    (tmp_path / "annotune.json").write_text("{}")  # as if it were a model's, which may be replaced
    assert "would be replaced" in refused(tune, "out", tmp_path)


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("input.csv", "is read, and would be replaced"),
        ("below/../input.csv", "is read, and would be replaced"),
        ("link.csv", "is read, and would be replaced"),
        ("notes.txt/inside.csv", "cannot be written: see"),
        ("result.nonsense", "nonsense"),
    ],
)
def test_classify_looks_at_its_files_before_it_reads(tmp_path, monkeypatch, capsys, output, sentence):
    (tmp_path / "below").mkdir()
    (tmp_path / "input.csv").write_text("nobody should read this\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "input.csv")
    (tmp_path / "notes.txt").write_text("a file is no folder")
    before = sorted(tmp_path.rglob("*"))
    words = ["classify", tmp_path / "no-model", tmp_path / "input.csv", tmp_path / output]
    monkeypatch.setattr(sys, "argv", ["annotune", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_is_written_into_a_model_that_is_read(tmp_path, monkeypatch, capsys):
    words = ["classify", tmp_path, tmp_path / "texts.csv", tmp_path / "held_out.parquet"]
    monkeypatch.setattr(sys, "argv", ["annotune", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert "is read, and would be replaced" in " ".join(capsys.readouterr().err.split())
