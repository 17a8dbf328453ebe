"""bundle and replicate: the same tables elsewhere, the first difference named, nothing that came by mail believed."""

import json
import shutil
import sqlite3
import stat
import sys
import warnings
import zipfile

import polars as pl
import pytest
import yaml

import annotune as at
from annotune import cli
from annotune.records.sealed import SEAL, sealed
from annotune.replication import archive, environment
from annotune.replication.archive import unpack, write_bundle
from annotune.replication.changes import parsed, require_inside
from annotune.replication.own_wheel import WHEEL, write_wheel
from annotune.replication.papers import lock
from annotune.replication.parts import copy_store
from annotune.study.file import Study

FORMULA = "topic == 'Health' ~ party"
ALL = ["coders", "agreement", "gold", "measures", "coefficients", "as coded", "results"]


@pytest.fixture(scope="module")
def bundles(finished, tmp_path_factory):
    """The study with its texts and without."""
    folder = tmp_path_factory.mktemp("bundles")
    return {texts: at.bundle(finished, folder / f"{texts}.zip", texts=texts) for texts in ("all", "none")}


def unpacked(bundle, folder):
    with zipfile.ZipFile(bundle) as packed:
        packed.extractall(folder)
    return folder


def packed_again(folder, target):
    """A bundle of what a folder now holds, with fingerprints of that."""
    about = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").unlink()
    return write_bundle(folder, target, {name: about[name] for name in ("annotune", "texts", "name")})


def test_with_texts_all_is_run_again_and_identical(bundles, tmp_path):
    result = at.replicate(bundles["all"], tmp_path / "again")
    assert (result.state, result.is_same) == ("identical", True)
    assert result.tables["table"].to_list() == ALL
    assert result.tables["n_cells"].min() > 0
    assert (tmp_path / "again" / "study" / "results.dta").is_file()
    assert (tmp_path / "again" / "study" / "annotune-work" / "topic" / "folds").is_dir()  # which no bundle has


def test_without_texts_every_table_after_the_models_is_identical(bundles, finished, tmp_path):
    result = at.replicate(bundles["none"])
    assert result.state == "identical"
    assert result.tables["table"].to_list() == ALL
    assert "baselines" in result.notes[0]
    content = unpacked(bundles["none"], tmp_path)
    everything = b"".join(path.read_bytes() for path in content.rglob("*") if path.is_file())
    for text in at.read_corpus(finished.parent / "questions.csv")["text"]:
        assert text.encode() not in everything
    assert pl.read_parquet(content / "study" / "corpus.parquet")["text"].str.len_chars().to_list() == [64] * 240
    assert not list(content.rglob("*.safetensors"))


def test_a_bundle_is_whole(bundles, tmp_path):
    content = unpacked(bundles["all"], tmp_path)
    names = {path.relative_to(content).as_posix() for path in content.rglob("*") if path.is_file()}
    wanted = {"README.md", "methods.md", "model_card.md", "CITATION.cff", "dataverse.json", "zenodo.json"}
    wanted |= {"environment/requirements.txt", "study/study.yaml", "study/study.record.json", "study/results.dta"}
    wanted |= {"study/regressions.csv", "study/coder_anna.xlsx", "study/annotune-work/topic/model/annotune.json"}
    assert wanted <= names
    assert "macro_f1" in (content / "model_card.md").read_text()
    assert "Krippendorff" in (content / "methods.md").read_text()
    assert yaml.safe_load((content / "CITATION.cff").read_text())["cff-version"] == "1.2.0"
    fields = json.loads((content / "dataverse.json").read_text())["datasetVersion"]["metadataBlocks"]["citation"][
        "fields"
    ]
    assert {field["typeName"] for field in fields} >= {"title", "author", "datasetContact", "dsDescription", "subject"}
    pins = (content / "environment" / "requirements.txt").read_text().splitlines()
    assert pins == lock()
    files_of = json.loads((content / "environment" / "packages.json").read_text())
    assert set(files_of) == {pin.split("==")[0] for pin in pins} - {"annotune"}
    assert write_wheel(tmp_path / "wheel").read_bytes() == (content / "environment" / WHEEL).read_bytes()
    assert f"pip install -r environment/requirements.txt environment/{WHEEL}" in (content / "README.md").read_text()
    assert {pin.split("==")[0] for pin in pins} >= {"annotune", "torch", "polars", "numpy"}


def test_the_same_study_gives_the_same_bundle(bundles, finished, tmp_path):
    assert at.bundle(finished, tmp_path / "b.zip", texts="none").read_bytes() == bundles["none"].read_bytes()
    folder = at.bundle(finished, tmp_path / "folder", texts="none")
    assert at.replicate(folder).state == "identical"
    with pytest.raises(at.AnnotuneError, match="is there already"):
        at.bundle(finished, folder)


@pytest.mark.skipif(sys.platform == "win32", reason="A script of the shell stands for Python.")
def test_in_an_environment_of_its_own_the_bundle_s_code_runs_it(bundles, tmp_path, monkeypatch):
    steps, packages = [], []

    def install(folder, listed, python):
        packages.extend(path.name for path in listed)
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (folder / "bin" / "python").chmod(0o755)

    monkeypatch.setattr(environment, "_install", install)
    changes = {"gold.rule": "unanimous", "gold.coder": None}
    options = {"environment": tmp_path / "env", "say": steps.append}
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        result = at.replicate(bundles["none"], tmp_path / "again", changes=changes, **options)
    assert packages == ["requirements.txt", WHEEL]
    assert any("have no answer" in str(note.message) for note in notes)  # the other process warned of it
    assert "whose code runs" in steps[0]
    assert "Comparing the coders" in steps[1:]
    assert (result.state, result.tables.height) == ("different", 7)
    assert result.beside["gold"]["n_texts_a"].to_list() != result.beside["gold"]["n_texts_b"].to_list()
    assert str(tmp_path / "env") in result.notes[-1]
    assert (tmp_path / "again" / "study" / "study.yaml").is_file()


def test_one_coding_changed_is_the_first_difference(bundles, tmp_path):
    content = unpacked(bundles["none"], tmp_path / "b")
    path = content / "study" / "codings.parquet"
    codings = pl.read_parquet(path)
    row = codings.with_row_index().filter(pl.col("coder") == "anna").row(0, named=True)
    other = "Health" if row["label"] != "Health" else "Economy"
    codings = codings.with_row_index().with_columns(
        label=pl.when(pl.col("index") == row["index"]).then(pl.lit(other)).otherwise(pl.col("label").cast(pl.String))
    )
    codings.drop("index").write_parquet(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = at.replicate(packed_again(content, tmp_path / "changed.zip"))
    assert result.state == "different"
    states = dict(result.tables.select("table", "state").iter_rows())
    assert states["agreement"] == "different"
    assert states["coders"] == "identical"
    assert "of topic, " in result.tables.filter(table="agreement")["first"][0]


def test_a_figure_changed_in_the_record_is_found(bundles, tmp_path):
    content = unpacked(bundles["none"], tmp_path / "b")
    path = content / "study" / "study.record.json"
    record = json.loads(path.read_text())
    row = record["corrections"][FORMULA][-1]
    truth, row["estimate"] = row["estimate"], row["estimate"] + 0.05
    path.write_text(json.dumps(sealed({name: part for name, part in record.items() if name != SEAL})))
    bundle = packed_again(content, tmp_path / "changed.zip")
    result = at.replicate(bundle)
    table = result.tables.filter(table="coefficients").row(0, named=True)
    assert (table["state"], table["n_different"]) == ("different", 1)
    assert table["largest"] == pytest.approx(0.05)
    assert f"{truth:.6g}" in table["first"]
    assert at.replicate(bundle, tolerance=0.06).state == "equal within the tolerance"


def test_a_reader_s_what_if_stands_beside_what_was_recorded(bundles):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that texts on which coders disagree have no gold
        result = at.replicate(bundles["none"], changes={"gold.rule": "unanimous", "gold.coder": None})
    table = result.beside["coefficients"].filter(method="hand-coded only")
    assert len(table) == 2
    assert table["estimate_a"].to_list() != table["estimate_b"].to_list()
    naive = result.beside["coefficients"].filter(method="naive")
    assert naive["estimate_a"].to_list() == naive["estimate_b"].to_list()  # the models are as they were
    with pytest.raises(at.AnnotuneError, match="has no texts"):
        at.replicate(bundles["none"], changes={"tune.base": "minilm"})
    with pytest.raises(at.AnnotuneError, match=r"gold|rulle"):
        at.replicate(bundles["none"], changes={"gold.rulle": "majority"})
    assert parsed(["gold.rule={at_least: 2}"]) == {"gold.rule": {"at_least": 2}}
    with pytest.raises(at.AnnotuneError, match="is not key=value"):
        parsed(["gold"])


def test_a_study_file_with_another_key_than_was_run_is_no_bundle(study):
    """Its tables would not be those that others get from it; comments are as free as ever."""
    as_run = study.read_text()
    study.write_text(as_run.replace("folds: 2", "folds: 3"))
    with pytest.raises(at.AnnotuneError, match=r"changed since it was run: tune\.folds is 3, and was 2\. Run it again"):
        at.bundle(study)
    assert not study.with_name("study.bundle.zip").exists()
    study.write_text(f"# to be submitted\n{as_run}")
    assert at.bundle(study, texts="none").is_file()


def test_a_study_that_was_not_run_or_was_changed_since_is_no_bundle(study):
    (study.parent / "coder_ben.dta").write_bytes(b"changed")
    with pytest.raises(at.AnnotuneError, match=r"coder_ben\.dta was changed since"):
        at.bundle(study)
    study.with_suffix(".record.json").unlink()
    with pytest.raises(at.AnnotuneError, match="was not run"):
        at.bundle(study)


def test_inputs_from_elsewhere_come_into_the_folder(study, tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("questions.csv", "coder_carla.csv"):
        shutil.move(study.parent / name, tmp_path / "data" / name)
    text = study.read_text().replace("corpus: questions.csv", "corpus: ../data/questions.csv")
    study.write_text(text.replace("coder_carla.csv", f"{tmp_path}/data/coder_carla.csv"))
    at.run(study)
    bundle = at.bundle(study, tmp_path / "moved.zip")
    plan = yaml.safe_load(zipfile.ZipFile(bundle).read("study/study.yaml"))
    assert plan["corpus"]["path"] == "inputs/questions.csv"
    assert plan["codings"]["paths"][2] == "inputs/coder_carla.csv"
    assert str(tmp_path) not in json.dumps(plan)
    shutil.rmtree(study.parent)
    assert at.replicate(bundle).state == "identical"


@pytest.fixture
def small(tmp_path):
    """A bundle of two small files, and a maker of zips that hold others in their place."""
    folder = tmp_path / "small"
    (folder / "study").mkdir(parents=True)
    (folder / "study" / "a.txt").write_text("a" * 1000)
    (folder / "b.txt").write_text("b")
    bundle = write_bundle(folder, tmp_path / "small.zip", {"annotune": "0", "texts": "all", "name": ""})

    def zipped(change):
        with zipfile.ZipFile(bundle) as source:
            entries = {entry: source.read(entry) for entry in source.infolist()}
        path = tmp_path / "changed.zip"
        with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            warnings.simplefilter("ignore")  # of two entries with one name
            for entry, content in change(entries):
                target.writestr(entry, content)
        return path

    return bundle, zipped


def listed(entries, change):
    """The entries with another list, sealed again."""
    for entry, content in entries.items():
        if entry.filename == "bundle.json":
            plain = {name: part for name, part in json.loads(content).items() if name != SEAL}
            change(plain)
            yield entry, json.dumps(sealed(plain))
        else:
            yield entry, content


def link(name):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


def renamed(entries, name):
    def change(plain):
        plain["files"][name] = plain["files"].pop("b.txt")

    for entry, content in listed(entries, change):
        yield (name if entry.filename == "b.txt" else entry), content


def without(entries, name):
    return [(entry, content) for entry, content in entries.items() if entry.filename != name]


def bomb(entries):
    def change(plain):
        plain["files"]["zeros"] = {"sha256": "0" * 64, "size": 10**10}

    yield from listed(entries, change)
    yield "zeros", b"\0" * 10**6


NAMES = [
    "../b.txt",
    "/etc/b.txt",
    "study/../../b.txt",
    "C:/b.txt",
    "study\\..\\b.txt",
    "./b.txt",
    "CON",
    "b.txt ",
    ".ssh",
]


@pytest.mark.parametrize("name", [*NAMES, "study//b.txt", "study/"])
def test_no_name_leads_out_of_the_folder(small, tmp_path, name):
    path = small[1](lambda entries: renamed(entries, name))
    with pytest.raises(at.AnnotuneError, match=r"changed\.zip is no bundle"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "b.txt").exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda entries: without(entries, "bundle.json"), r"has no bundle\.json"),
        (lambda entries: without(entries, "b.txt"), r"b\.txt is missing"),
        (lambda entries: [*entries.items(), ("more.txt", "x")], r"more\.txt is not in bundle\.json"),
        (lambda entries: [*entries.items(), ("B.TXT", "x")], "the same name"),
        (lambda entries: [*entries.items(), ("b.txt", "x")], "the same name"),
        (lambda entries: [*without(entries, "b.txt"), (link("b.txt"), "/etc/passwd")], "is a link"),
        (lambda entries: [*without(entries, "b.txt"), ("b.txt", "c")], r"b\.txt is not the file"),
        (lambda entries: [*without(entries, "b.txt"), ("b.txt", "bb")], "not of the size"),
        (lambda entries: listed(entries, lambda plain: plain.update(what="other")), r"bundle\.json is none"),
        (lambda entries: listed(entries, lambda plain: plain.update(files=[])), r"bundle\.json is none"),
        (lambda entries: listed(entries, lambda plain: plain["files"].update(x=1)), "does not say what"),
        (bomb, "does not make plausible"),
    ],
)
def test_what_a_stranger_may_have_put_into_a_bundle_is_refused(small, tmp_path, change, reason):
    with pytest.raises(at.AnnotuneError, match=reason):
        unpack(small[1](change), tmp_path / "out")


def test_a_sound_bundle_is_unpacked_and_no_other_file_is_taken_for_one(small, tmp_path):
    unpack(small[0], tmp_path / "out")
    assert (tmp_path / "out" / "study" / "a.txt").read_text() == "a" * 1000
    content = small[0].read_bytes()
    (tmp_path / "cut.zip").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.zip").write_text("nothing")
    for name in ("cut.zip", "text.zip", "nothing.zip"):
        with pytest.raises(at.AnnotuneError, match=name):
            unpack(tmp_path / name, tmp_path / "other")


def test_a_list_that_was_changed_and_too_many_files_are_refused(small, tmp_path, monkeypatch):
    def change(entries):
        for entry, content in entries.items():
            yield entry, content.replace(b'"texts": "all"', b'"texts": "none"')

    with pytest.raises(at.AnnotuneError, match="was changed since"):
        unpack(small[1](change), tmp_path / "out")
    monkeypatch.setattr(archive, "MOST_FILES", 2)
    with pytest.raises(at.AnnotuneError, match="it has 3 files"):
        unpack(small[0], tmp_path / "out")


def test_a_folder_with_a_link_in_it_is_refused(small, tmp_path):
    folder = unpacked(small[0], tmp_path / "folder")
    (folder / "b.txt").unlink()
    (tmp_path / "secret").write_text("b")
    (folder / "b.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(at.AnnotuneError, match=r"b\.txt is a link"):
        unpack(folder, tmp_path / "out")
    (tmp_path / "elsewhere").mkdir()
    shutil.move(folder / "study", tmp_path / "elsewhere" / "study")
    (folder / "study").symlink_to(tmp_path / "elsewhere" / "study")
    (folder / "b.txt").unlink()
    (folder / "b.txt").write_text("b")
    with pytest.raises(at.AnnotuneError, match=r"a\.txt is a link"):
        unpack(folder, tmp_path / "out2")


PLAN = {"codebook": "c.yaml", "corpus": "q.csv", "codings": ["a.csv"]}
OUT = [
    {"codebook": "../c.yaml"},
    {"corpus": {"path": "/etc/passwd"}},
    {"codings": ["a.csv", "../../a.csv"]},
    {"write": ["../results.dta"]},
    {"report": "/tmp/report.html"},
    {"tune": {"base": "../model"}},
    {"tune": {"base": "~/model"}},
    {"sample": {"draws": "../s.annotune"}, "correct": "y ~ x"},
    {"sample": [{"n": 5, "write": "../sheet.xlsx"}], "correct": "y ~ x"},
    {"sample": {"rounds": {"n": 5, "write": "/sheet.xlsx"}}, "correct": "y ~ x"},
    {"correct": {"formulas": "y ~ x", "write": "C:\\table.csv"}, "sample": "simple"},
]


@pytest.mark.parametrize("change", OUT, ids=[json.dumps(change)[:40] for change in OUT])
def test_a_study_from_somebody_else_stays_in_its_folder(change):
    require_inside(Study.model_validate(PLAN))
    with pytest.raises(at.AnnotuneError, match="not in its folder"):
        require_inside(Study.model_validate({**PLAN, **change}))


def test_a_store_goes_without_keys_and_without_what_may_quote_a_text(tmp_path):
    from annotune.hybrid.store import now, open_store

    path = tmp_path / "study.annotune"
    corpus = pl.DataFrame({"unit_id": ["a", "b"], "text": ["x", "y"]})
    at.sample(corpus, 2, store=path, coders=["anna"])
    with open_store(path) as store, store.change() as connection:
        connection.execute("INSERT INTO links VALUES ('hash-of-a-token', 'anna', 'coder', ?, NULL)", [now()])
        connection.execute(
            "INSERT INTO decisions (at, unit_id, variable, coder, labels, status, note) "
            "VALUES (?, 'a', 'v', 'anna', '[\"yes\"]', 'ok', 'quotes the text')",
            [now()],
        )
    for with_texts in (True, False):
        target = tmp_path / f"{with_texts}.annotune"
        copy_store(path, target, with_texts)
        content = target.read_bytes()
        assert b"hash-of-a-token" not in content
        assert (b"quotes the text" in content) == with_texts
        assert at.read_codings(target)["label"].to_list() == ["yes"]
        with sqlite3.connect(target) as copy, pytest.raises(sqlite3.IntegrityError, match="only added"):
            copy.execute("UPDATE decisions SET note = 'changed'")
        copy.close()
    with sqlite3.connect(path) as own:
        assert own.execute("SELECT count(*) FROM links").fetchone() == (1,)
    own.close()


def test_the_exit_code_says_how_it_ended(bundles, small, finished, tmp_path, monkeypatch, capsys):
    def verb(*words):
        monkeypatch.setattr(sys, "argv", ["annotune", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code or 0, capsys.readouterr()

    code, printed = verb("replicate", bundles["none"])
    assert code == 0
    assert "identical" in printed.out
    code, printed = verb("replicate", small[0])
    assert (code, "no study with its record" in printed.err) == (2, True)
    content = unpacked(bundles["none"], tmp_path / "b")
    record = content / "study" / "study.record.json"
    plain = {name: part for name, part in json.loads(record.read_text()).items() if name != SEAL}
    plain["gold"][0]["n_texts"] += 1
    record.write_text(json.dumps(sealed(plain)))
    changed = packed_again(content, tmp_path / "changed.zip")
    code, printed = verb("replicate", changed, "--json")
    assert code == 1
    assert json.loads(printed.out)["state"] == "different"
    code, printed = verb("bundle", finished, "--texts", "none", "--out", tmp_path / "c.zip")
    assert (code, (tmp_path / "c.zip").is_file()) == (0, True)
    code, printed = verb("bundle", finished, "--texts", "some")
    assert code == 2
