"""The report of a study: written with the rest, and again only when what it stands on has changed."""

import json

import pytest

import annotune as at
from annotune.records.fingerprints import file_sha256


@pytest.fixture
def study(tmp_path):
    """A small simulated study whose model is quick."""
    path = at.demo(tmp_path, n=200, n_coded=80).study
    path.write_text(path.read_text().replace("seed: 1", "seed: 1, method: probe, folds: 2"))
    return path


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_it_is_written_once_and_again_when_something_has_changed(study):
    page = study.parent / "report.html"
    first = at.run(study)
    assert first.done["report"] == "done"
    assert page in first.files
    told = page.read_text(encoding="utf-8")
    assert "Differences between coders were settled by adjudication." in told
    assert "Questions to a simulated parliament" in told
    assert "The model against its baselines: topic" in told
    scripts = {study.parent / name for name in ("results.do", "results.R")}
    assert scripts <= set(first.files)
    assert "results.csv" in told
    assert "results.do, results.R" in told
    record = json.loads(first.record.read_text())
    names = [entry["file"] for entry in record["outputs"]]
    assert len(names) == len(set(names))
    assert {"file": "report.html", "sha256": file_sha256(page)} in record["outputs"]

    before = page.stat().st_mtime_ns
    assert at.run(study).done["report"] == "up to date"
    assert page.stat().st_mtime_ns == before

    change(study, "report: report.html", "report: {path: report.html, by: party, title: A title}")
    again = at.run(study)
    assert (again.done["report"], again.done["tune topic"]) == ("done", "up to date")
    assert "<h1>A title</h1>" in page.read_text(encoding="utf-8")

    page.unlink()
    assert at.run(study).done["report"] == "done"


@pytest.mark.parametrize(
    ("report", "told"),
    [
        ("report.pdf", "cannot be written as 'pdf'"),
        ("{path: report.html, by: parti}", "no column 'parti'"),
        ("{path: report.html, bye: party}", "bye"),
        ("codebook.yaml", "codebook.yaml"),
        ("results.csv", "results.csv"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_tuned(study, report, told):
    change(study, "report: report.html", f"report: {report}")
    with pytest.raises(at.AnnotuneError, match=told):
        at.run(study)
    assert not (study.parent / "annotune-work").exists()


def test_without_one_none_is_written(study):
    change(study, "report: report.html\n", "")
    assert "report" not in at.run(study).done
    assert not (study.parent / "report.html").exists()
