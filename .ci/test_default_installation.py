"""What annotune does where the default installation is all there is: every verb, on the files that `make demo` wrote.

Run by .ci/door, by the Python of that installation; DEMO is the demo's folder.
"""

import importlib.util
import os
import re
import shlex
import shutil
import sys
from importlib import metadata
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

import annotune as at
from annotune import cli
from annotune.extras import EXTRAS

ROOT = Path(__file__).parents[1]
MODEL = "annotune-work/topic/model"
CODINGS = "annotune-work/topic/codings.parquet"
CODERS = "coder_anna.xlsx coder_ben.dta"
BOOK = "--codebook codebook.yaml"
HEALTH = "\"topic == 'Health' ~ party\""
VERBS = f"""
run study.yaml
round rounds.yaml
verify study.yaml
why results.dta
why results.dta --unit q00001 --json
diff study.yaml results.csv
new own-study --like sets
studies
multiverse choices.yaml --write specifications.dta --plot curve_of_choices.png
bundle study.yaml --texts none --out none.zip
replicate none.zip
share none.zip --to for-zenodo
reliability {CODERS} {BOOK} --n-boot 200 --write agreement.dta --write agreement.tex --plot agreement.png
reliability {CODERS} {BOOK} --of pairs --plot pairs.pdf
reliability-regression {CODERS} {BOOK} --on party --corpus questions.csv
resolve {CODERS} {BOOK} --out gold.csv
tune questions.csv gold.csv {BOOK} --out model --method probe
classify model some.csv coded.dta coded.rds coded.parquet
classify some.csv --model model --out many
status many
shares model coded.parquet --write shares_of_labels.csv
evaluate gold.csv {CODINGS} {BOOK} --n-boot 200 --corpus questions.csv --write measures.xlsx
compare {CODERS} {CODINGS} {BOOK} --gold gold.csv --n-boot 200 --write comparison.csv --write comparison.html
curve questions.csv gold.csv {BOOK} --out curve --method probe --seeds 2 --sizes 50,100,200 --plot curve.svg
calibration {MODEL} gold.csv --n-boot 200 --plot diagram.png
abstain coded.parquet model gold.csv --risk 0.2 --out divided.csv
label-errors {MODEL} gold.csv --corpus questions.csv --write look-again.xlsx
zero-shot few.csv codes.dta {BOOK} --base Qwen/Qwen3-0.6B
test-codebook few.csv {BOOK} --base Qwen/Qwen3-0.6B --orders 1 --no-ablation --write moved.csv --plot moved.png
propose few.csv words.csv {BOOK} --store study.annotune --write proposals.csv
bases
export model merged
export {MODEL} adapter --format adapter
write results.parquet r.dta r.rds r.sav r.xlsx r.csv {BOOK} --regression {HEALTH}
report page.html --model {MODEL} --codings coder_anna.xlsx --codings coder_ben.dta {BOOK}
report tables.tex --model {MODEL} --corpus questions.csv --by party --n-boot 200
crossfit some.csv gold.csv {BOOK} --out folds --method probe --write fit.dta
correct results.parquet {HEALTH} --pi 0.1 --write effect.csv --write effect.do --write effect.rds --write effect.dta
dsl-columns results.parquet dsl.dta --pi topic_pi
prevalence results.parquet --by party --time year --pi topic_pi --plot shares.png --write shares.csv
drift codes.csv --time year --plot drift.png --write drift.csv
error-model results.parquet --on "party * year" --label Health
plan-sample results.parquet --target 0.01 --label Health
sample questions.csv --n 100 --design stratified --strata party --store own.annotune --write to_code.xlsx {BOOK}
sample questions.csv --n 50 --design active --for share --predictions results.parquet --store own.annotune
record own.annotune coder_anna.xlsx
sheets own.annotune --corpus questions.csv --write left.xlsx
code own.annotune --corpus questions.csv {BOOK} --coders eve --offline pages
draws own.annotune --of people --write people.csv
definitions own.annotune codebook.yaml --update --write changes.csv
levels levels.yaml --write levels.csv
roll-up by_levels.csv --codebook levels.yaml --out rolled.csv
anchoring answers.csv --write given.csv --shares moved.dta --plot anchoring.png
blind-gold blind.csv blind.annotune --write undone.parquet --write undone.dta
"""
NEED_AN_EXTRA = {
    f"report tables.docx --model {MODEL}": "tables",
    f"correct results.parquet {HEALTH} --pi 0.1 --write effect.docx": "tables",
    f"correct results.parquet {HEALTH} --pi 0.1 --write effect.tex": "tables",
    f"correct results.parquet {HEALTH} --pi 0.1 --write effect.html": "tables",
    "run for_word.yaml": "tables",
    f"propose few.csv gpt {BOOK} --store gpt.annotune --endpoint http://localhost:9/v1": "propose",
    f"code own.annotune --corpus questions.csv {BOOK} --coders eve": "page",
    f"tune questions.csv gold.csv {BOOK} --out another --base multilingual": "multilingual",
    f"export {MODEL} onnx --format onnx": "onnx",
    f"export {MODEL} model.gguf --format gguf": "gguf",
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A copy of what the demo wrote, some of its texts, a study for Word, and a decoder in the hub's place."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    shutil.copytree(os.environ["DEMO"], folder)
    texts, coded = pl.read_csv(folder / "questions.csv"), pl.read_csv(folder / "results.csv", infer_schema=False)
    by_hand = texts["unit_id"].is_in(coded.filter(pl.col("topic_gold").is_not_null())["unit_id"].to_list())
    pl.concat([texts.filter(by_hand).head(200), texts.filter(~by_hand).head(50)]).write_csv(folder / "some.csv")
    texts.head(3).write_csv(folder / "few.csv")
    labels = "[{code: 1, name: Care}, {code: 11, name: Health, parent: 1}, {code: 2, name: Law}]"
    (folder / "levels.yaml").write_text(f"variables: [{{name: topic, labels: {labels}}}]")
    (folder / "by_levels.csv").write_text("unit_id,topic\n1,Health\n2,Law\n")
    (folder / "words.csv").write_text("label,words\nHealth,hospital*\n")
    seen = pl.Series("proposals", ["Health", "Health", None] * 40)
    by_sight = {"label": ["Health", "Law", "Law", "Health"] * 30, "coder": ["anna", "ben"] * 60}
    pl.DataFrame({"unit_id": range(120), **by_sight}).with_columns(seen).write_csv(folder / "answers.csv")
    by_year = {
        "year": [2020, 2021] * 60,
        "label": ["Health", "Law", "Law", "Health"] * 30,
        "prob": [0.7, 0.9, 0.8] * 40,
    }
    codes = pl.DataFrame({"unit_id": range(120), **by_year}).with_columns(variable=pl.lit("topic"))
    codes.write_csv(folder / "codes.csv")
    few = pl.DataFrame({"unit_id": map(str, range(60)), "text": "Why?", "topic": "Health"})
    few.write_csv(folder / "blind.csv")
    book, store = at.read_codebook(folder / "codebook.yaml"), folder / "blind.annotune"
    at.sample(few, 40, store=store, coders=["anna"], blind=0.5, codebook=book)
    drawn = at.read_draws(store).filter("drawn").select("unit_id", coder=pl.lit("anna"), topic=pl.lit("Health"))
    at.record(store, at.read_codings(drawn, book))
    study = (folder / "study.yaml").read_text("utf-8")
    (folder / "for_word.yaml").write_text(study.replace("[regression.csv,", "[regression.docx,"), "utf-8")
    few = "multiverse: {seed: 1, gold: majority, cutoffs: share}\n"
    (folder / "choices.yaml").write_text(study.replace("questions.csv", "some.csv") + few, "utf-8")
    rounds = "sample: {rounds: {n: 40, evaluation: 20, write: rounds.xlsx}}"
    (folder / "rounds.yaml").write_text(f"codebook: codebook.yaml\ncorpus: questions.csv\n{rounds}\n", "utf-8")
    page = (ROOT / "docs" / "decoders.md").read_text("utf-8")
    stand_in = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    before = Path.cwd()
    os.chdir(folder)
    try:
        exec(stand_in, {})
    finally:
        os.chdir(before)
    return folder


def say(monkeypatch, capsys, folder, command):
    """The exit code of a command in the folder, and what it said on stderr."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["annotune", *shlex.split(command)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code or 0, capsys.readouterr().err


def test_only_the_default_installation_is_here():
    """No module of an extra, and nothing that annotune's own requirements do not bring."""
    for module in {name for extra in EXTRAS.values() for name in extra.packages}:
        assert importlib.util.find_spec(module) is None, module
    wanted, known = ["annotune"], set()
    while wanted:
        name = wanted.pop()
        if name in known:
            continue
        known.add(name)
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # of another platform
            continue
        wanted += [plain(re.match(r"[\w.-]+", need)[0]) for need in needs if "extra ==" not in need]
    here = {
        plain(one.metadata["Name"])
        for one in metadata.distributions()
        if Path(str(one.locate_file(""))).is_relative_to(sys.prefix)
    }
    assert here - known <= {"pip", "setuptools", "wheel"}
    assert "torch" in here


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_verb_is_tried():
    tried = {line.split()[0] for line in VERBS.strip().splitlines()}
    assert tried | {"demo"} == {verb.__name__.strip("_").replace("_", "-") for verb in cli.VERBS}


@pytest.mark.parametrize("command", VERBS.strip().splitlines(), ids=lambda command: command.split()[0])
def test_a_verb_does_what_the_pages_say(monkeypatch, capsys, folder, command):
    code, said = say(monkeypatch, capsys, folder, command)
    assert code == 0, said
    assert not list(folder.glob("annotune-fault-*"))
    words = shlex.split(command)
    outputs = [word for option, word in pairwise(words) if option in ("--out", "--write", "--plot")]
    for name in outputs:
        assert (folder / name).exists(), name


@pytest.mark.parametrize(("command", "extra"), NEED_AN_EXTRA.items(), ids=lambda value: value.split()[0])
def test_what_needs_an_extra_says_so_in_one_sentence(monkeypatch, capsys, folder, command, extra):
    before = {path.name for path in folder.iterdir()}
    code, said = say(monkeypatch, capsys, folder, command)
    assert code == 2
    *steps, last = said.splitlines()
    assert re.fullmatch(rf"Error: .+, which is not installed\. Run: pip install 'annotune\[{extra}\]'.*\.", last)
    assert all(step.endswith("...") for step in steps)
    assert {path.name for path in folder.iterdir()} == before


def test_a_frame_of_pandas_and_an_r_session_need_an_extra_too():
    pandas = importlib.import_module("pandas")
    with pytest.raises(at.AnnotuneError, match=r"pip install 'annotune\[pandas\]'"):
        at.read_corpus(pandas.DataFrame({"unit_id": ["a"], "text": ["b"]}))
    with pytest.raises(at.AnnotuneError, match=r"pip install 'annotune\[r\]'"):
        at.to_r(pl.DataFrame({"x": [1]}))


def test_the_installed_package_is_whole():
    """As pip builds it: every file of the source, and none of the source is what runs here."""
    source, installed = ROOT / "python" / "annotune", Path(at.__file__).parent
    assert not installed.is_relative_to(ROOT / "python")
    files = {path.relative_to(source) for path in source.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert files
    assert files <= {path.relative_to(installed) for path in installed.rglob("*")}
