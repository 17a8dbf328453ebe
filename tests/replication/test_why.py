"""why: every branch of the tree is what files and records say, and what they do not say is named."""

import json
import sys

import polars as pl
import pytest

import annotune as at
from annotune import cli
from annotune.records.fingerprints import file_sha256
from annotune.records.record import make_record, record_outputs
from annotune.tables.file_notes import file_notes


def verb(monkeypatch, capsys, *words):
    """The exit code of the command line, and what it printed."""
    monkeypatch.setattr(sys, "argv", ["annotune", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    printed = capsys.readouterr()
    return end.value.code or 0, printed.out, printed.err


def test_a_result_has_the_fingerprints_coders_models_and_seeds_of_its_run(finished):
    answer = at.why(finished.parent / "results.dta")
    tree = answer.tree["results.dta"]
    assert tree["data"]["questions.csv"] == f"SHA-256 {file_sha256(finished.parent / 'questions.csv')}, as recorded"
    assert tree["written"]["results.dta"].endswith("as recorded")
    assert {name: row[0] for name, row in tree["codings"].items()}["anna"] == "topic: 120 texts"
    model, card = tree["models"]["topic"], at.load(finished.parent / "annotune-work" / "topic" / "model").card
    assert model["seed"] == 1
    assert model["base"] == f"{card['base']['name']}, revision {card['base']['revision']}"
    assert card["model_sha256"] in model["weights"]
    (files,) = model["files"].values()
    assert len(files) > 5
    assert all(state.endswith("as recorded") for state in files.values())
    assert "versions" not in model  # they are the run's
    assert tree["versions"] == card["versions"]
    assert tree["settings"]["tune"] == {"base": "base", "method": "probe", "variable": ["topic"], "folds": 2}
    (methods,) = tree["regressions"].values()
    assert set(methods) == {"hand-coded only", "naive", "corrected"}
    assert "the study has no sample" not in " ".join(answer.unknown)
    assert json.loads(json.dumps(answer.tree)) == answer.tree


def test_agreement_is_of_the_texts_that_several_coded_and_each_level_has_its_own(tmp_path):
    rows = [
        {
            "variable": "heat",
            "metric": "fleiss_kappa",
            "level": level,
            "estimate": estimate,
            "n_units": 260,
            "n_pairable": 130,
        }
        for level, estimate in (("linear", 0.786), ("quadratic", 0.764))
    ]
    (tmp_path / "table.csv").write_text("x")
    record_outputs(make_record("annotune run", reliability=rows), [tmp_path / "table.csv"])
    assert at.why(tmp_path / "table.csv").tree["table.csv"]["agreement"]["heat"] == {
        "fleiss_kappa (linear)": "0.786 on 130 texts coded twice",
        "fleiss_kappa (quadratic)": "0.764 on 130 texts coded twice",
    }


def test_the_same_for_the_study_its_record_and_its_folder(finished):
    places = [finished, finished.parent / "study.record.json", finished.parent, finished.parent / "results.parquet"]
    trees = [next(iter(at.why(place).tree.values())) for place in places]
    for tree in trees:
        tree.pop("notes in the file", None)
    assert all(tree == trees[0] for tree in trees)


def test_what_changed_since_and_what_is_gone_is_said(study):
    with (study.parent / "coder_anna.xlsx").open("ab") as file:
        file.write(b" ")
    (study.parent / "questions.csv").unlink()
    answer = at.why(study)
    data = answer.tree["study.yaml"]["data"]
    assert data["coder_anna.xlsx"].endswith("changed since")
    assert data["questions.csv"].endswith("not here")
    assert any("questions.csv, coder_anna.xlsx" in sentence for sentence in answer.unknown)


def test_a_record_that_somebody_changed_is_not_believed(study):
    path = study.with_suffix(".record.json")
    path.write_text(path.read_text().replace('"seed": 1', '"seed": 7'))
    answer = at.why(study)
    assert answer.tree["study.yaml"]["record"] == "study.record.json, changed since it was written"
    assert any("study.record.json" in sentence for sentence in answer.unknown)


def test_with_a_file_alone_its_notes_are_all_there_is(study):
    study.with_suffix(".record.json").unlink()
    answer = at.why(study.parent / "results.dta")
    tree = answer.tree["results.dta"]
    assert set(tree) == {"notes in the file"}
    assert any("seed 1, 120 coded texts" in note for note in tree["notes in the file"])
    assert answer.unknown == ("All but the notes: there is no record beside results.dta.",)
    with pytest.raises(at.AnnotuneError, match="Nothing tells what"):
        at.why(study.parent / "questions.csv")
    with pytest.raises(at.AnnotuneError, match="is not there"):
        at.why(study.parent / "nothing.dta")


def test_notes_are_those_that_stata_shows(tmp_path):
    import pyreadstat

    notes = ["Coded with annotune.", "A second note with ü, “quotes” and a " + "long " * 400 + "tail"]
    for suffix in ("dta", "parquet"):
        at.write(pl.DataFrame({"unit_id": ["a"], "x": [1]}), tmp_path / f"t.{suffix}", notes=notes)
        assert list(file_notes(tmp_path / f"t.{suffix}")) == notes
    _, meta = pyreadstat.read_dta(tmp_path / "t.dta")
    assert list(meta.notes) == notes
    (tmp_path / "cut.dta").write_bytes((tmp_path / "t.dta").read_bytes()[:2_000])
    assert file_notes(tmp_path / "cut.dta") == (notes[0],) or file_notes(tmp_path / "cut.dta") == ()


def test_the_run_behind_an_input_stands_below_it(study, tmp_path):
    later = tmp_path / "study" / "table.csv"
    later.write_text("x\n1\n")
    inputs = {"results.parquet": file_sha256(study.parent / "results.parquet")}
    record_outputs(make_record("a script", inputs=inputs), [later])
    tree = at.why(later).tree["table.csv"]
    assert tree["made by"].startswith("a script, 20")
    behind = tree["data"]["results.parquet"]["made by"]
    assert behind["record"].startswith("study.record.json")
    assert behind["data"]["questions.csv"].endswith("as recorded")


def test_two_records_that_name_each_other_come_to_an_end(tmp_path):
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for file in files:
        file.write_text(file.name)
    for file, other in (files, files[::-1]):
        record_outputs(make_record("a loop", inputs={other.name: file_sha256(other)}), [file])
    tree = at.why(files[0]).tree["a.csv"]
    assert tree["data"]["b.csv"]["made by"]["data"]["a.csv"]["made by"] == {"record": "a.csv.record.json"}


def test_a_text_s_way_is_what_each_file_says_of_it(finished):
    data = pl.read_parquet(finished.parent / "results.parquet")
    by_hand = data.filter("topic_coded").row(3, named=True)
    unit = by_hand["unit_id"]
    branches = next(iter(at.why(finished.parent / "results.dta", unit=unit).tree.values()))
    text = dict(at.read_corpus(finished.parent / "questions.csv").select("unit_id", "text").iter_rows())[unit]
    assert branches["text"]["begins"] == text
    assert branches["text"]["party"] == by_hand["party"]
    book = at.read_codebook(finished.parent / "codebook.yaml")
    anna = at.read_codings(finished.parent / "coder_anna.xlsx", book).filter(unit_id=unit)["label"][0]
    assert branches["codings"]["topic"]["anna"] == anna
    held_out = pl.read_parquet(finished.parent / "annotune-work/topic/model/held_out.parquet").filter(unit_id=unit)
    (words,) = branches["models"]["topic"]["held out"]
    row = held_out.row(0, named=True)
    assert f"{row['label']} with probability {row['prob']:.3f}, by the model of fold {row['fold']}" in words
    entered = branches["regressions"]["topic == 'Health' ~ party"]
    assert entered["used"] == "yes"
    assert entered["topic_pi"] == pytest.approx(0.5)
    assert entered["topic_dsl_Health"] == pytest.approx(by_hand["topic_dsl_Health"])
    with pytest.raises(at.AnnotuneError, match="No text 'nobody'"):
        at.why(finished, unit="nobody")


def test_a_text_s_way_without_the_study_is_its_row(study):
    study.unlink()
    answer = at.why(study.parent / "results.dta", unit="q00002")
    (branches,) = answer.tree.values()
    assert set(branches) == {"results"}
    assert any("no study.yaml" in sentence for sentence in answer.unknown)


@pytest.fixture
def drawn(tmp_path):
    """A store with a wave, two decisions of one person, and the record of a study that read it."""
    corpus = pl.DataFrame({"unit_id": [f"u{i}" for i in range(10)], "text": [f"text {i}" for i in range(10)]})
    labels = [at.Label(code=1, name="yes"), at.Label(code=2, name="no")]
    book = at.Codebook(variables=(at.Variable(name="v", kind="nominal", labels=labels),))
    store = tmp_path / "study.annotune"
    at.sample(corpus, 6, store=store, coders=["anna"], seed=3, codebook=book)
    units = at.read_draws(store).filter("drawn")["unit_id"].to_list()
    for label in ("yes", "no"):
        at.record(store, pl.DataFrame({"unit_id": units[:1], "variable": "v", "coder": "anna", "label": label}), book)
    corpus.write_csv(tmp_path / "corpus.csv")
    (tmp_path / "codebook.yaml").write_text(json.dumps(book.model_dump(mode="json", exclude_defaults=True)))
    content = {"codebook": "codebook.yaml", "corpus": {"path": "corpus.csv"}, "sample": {"draws": "study.annotune"}}
    content |= {"codings": ["study.annotune"], "correct": ["v == 'yes' ~ 1"], "write": ["results.parquet"]}
    (tmp_path / "study.yaml").write_text(json.dumps(content))
    corpus.select("unit_id", v=pl.lit("yes")).write_parquet(tmp_path / "results.parquet")
    record = make_record("annotune run", study=content, inputs={}, stores={"study.annotune": "ab" * 32})
    record_outputs(record, [tmp_path / "results.parquet"], tmp_path / "study.record.json")
    return tmp_path, units[0]


def test_a_store_tells_of_waves_and_people_and_of_answers_that_were_changed(drawn):
    folder, unit = drawn
    store = at.why(folder / "study.yaml").tree["study.yaml"]["stores"]["study.annotune"]
    assert store["draws"]["wave 1"]["drawn"].startswith("6 of 10 texts, simple, seed 3, 20")
    assert store["draws"]["wave 1"]["coders"] == ["anna"]
    assert store["people"]["anna"][0].startswith("v: 2 answers on 1 texts, 20")
    (branches,) = at.why(folder / "results.parquet", unit=unit).tree.values()
    assert [line.split("anna: ")[1].split(" (")[0] for line in branches["store"]["decided"]] == ["v = yes", "v = no"]
    assert branches["codings"] == {"v": {"anna": "no"}}
    assert branches["draw"] == {"wave 1": "drawn, with probability 0.6"}
    (folder / "study.annotune").unlink()
    answer = at.why(folder / "study.yaml")
    assert any("What is in study.annotune" in sentence for sentence in answer.unknown)


def test_the_command_line_prints_the_tree_and_the_same_as_json(finished, monkeypatch, capsys):
    monkeypatch.setattr("annotune.commands.replication.console.width", 100, raising=False)
    code, out, _ = verb(monkeypatch, capsys, "why", finished.parent / "results.dta")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "results.dta"
    assert "├─ data" in lines
    assert "└─ not known" in lines
    code, out, _ = verb(monkeypatch, capsys, "why", finished.parent / "results.dta", "--json")
    answer = at.why(finished.parent / "results.dta")
    assert json.loads(out) == {**answer.tree, "not known": list(answer.unknown)}
    code, _, err = verb(monkeypatch, capsys, "why", finished.parent / "questions.csv")
    assert (code, err.startswith("Error: Nothing tells what")) == (2, True)
