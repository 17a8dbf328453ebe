"""Stata's annotune.ado, which was not run in Stata: what its lines give the shell, what Stata would refuse at once."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyreadstat
import pytest
from typer.main import get_command

import annotune as at
from annotune import cli

STATA = Path(__file__).parents[2] / "stata"
ADO = (STATA / "annotune.ado").read_text("utf-8")
HELP = (STATA / "annotune.sthlp").read_text("utf-8")
LONGEST_NAME = 32
DIRECTIVES = {
    *(
        "smcl",
        "*",
        "vieweralsosee",
        "viewerjumpto",
        "title",
        "marker",
        "...",
        "hline",
        "ifin",
        "synoptset",
        "synopthdr",
    ),
    *("synoptline", "synopt", "p2coldent", "phang", "phang2", "pstd", "p", "p_end", "bf", "cmd", "it", "opt"),
}


@pytest.fixture(scope="module")
def model_folder(topics, gold, book, tiny_base, tmp_path_factory):
    """A tuned model of three topics."""
    model = at.tune(topics, gold, book(), base=str(tiny_base), method="probe", n_boot=20, test=0.2)
    return model.save(tmp_path_factory.mktemp("stata") / "model")


def programs():
    """The lines of each program by its name, with what is continued on the next line in one."""
    text = re.sub(r" *///\n *", " ", ADO)
    return dict(re.findall(r"^program define (\w+)[^\n]*\n(.*?)^end$", text, re.MULTILINE | re.DOTALL))


def test_programs_are_whole_and_call_each_other():
    assert list(programs()) == ["annotune", "annotune_classify", "annotune_shell"]
    assert ADO.count("\nend\n") == 3
    assert all(len(name) <= LONGEST_NAME and "version 16" in lines for name, lines in programs().items())
    for name in ("annotune_classify", "annotune_shell"):
        assert name in programs()["annotune"]


def test_quotes_and_macros_are_closed_on_every_line():
    for line in ADO.splitlines():
        if not line.startswith("*"):
            require_closed(line)


def require_closed(line):
    """Where an apostrophe and a quotation mark meet, the macro that is open ends first."""
    opened, place = [], 0
    while place < len(line):
        two, one, inner = line[place : place + 2], line[place], opened[-1] if opened else ""
        if two == '`"' or one == "`":
            opened.append(two if two == '`"' else one)
        elif (two == "\"'" and inner == '`"') or one == inner == '"' or (one == "'" and inner == "`"):
            opened.pop()
        elif one == '"':
            opened.append(one)
        assert one != "'" or inner == "`", line
        place += 2 if two == '`"' or (two == "\"'" and inner == '`"') else 1
    assert not opened, line


def test_braces_are_closed():
    assert ADO.count("{") == ADO.count("}")
    assert HELP.count("{") == HELP.count("}")


def test_every_macro_was_named():
    for name, lines in programs().items():
        known = {"0", *re.findall(r"\blocal (\w+)", lines), *re.findall(r"\bforeach (\w+)", lines)}
        for words in re.findall(r"^ *(?:tempvar|tempname|tempfile) (.+)$", lines, re.MULTILINE):
            known |= set(words.split())
        known |= {word.lower() for word in re.findall(r"(\w+)\(\w+\)", "".join(re.findall(r"syntax (.+)", lines)))}
        known |= {"varlist", "touse", "rest", "verb"}
        assert set(re.findall(r"`(?:macval\()?(\w+)\)?'", lines)) <= known, name


def test_options_are_those_of_the_help_and_of_the_command_line():
    syntax = re.search(r"syntax (.+)", programs()["annotune_classify"])[1]
    options = {shortest + rest for shortest, rest in re.findall(r"\b([A-Z]+)([a-z]+)\(", syntax)}
    described = {short.upper() + rest for short, rest in re.findall(r"\{opt (\w+):(\w+)\(", HELP)}
    assert options == described
    flags = {flag for parameter in get_command(cli.app).commands["classify"].params for flag in parameter.opts}
    assert set(re.findall(r"--[\w-]+", programs()["annotune_classify"])) <= flags
    assert f"version {at.__version__}" in ADO
    assert f"version {at.__version__}" in HELP


def test_the_help_is_smcl():
    assert HELP.startswith("{smcl}\n")
    assert set(re.findall(r"\{([\w.*]+)", HELP)) <= DIRECTIVES
    markers = set(re.findall(r"\{marker (\w+)\}", HELP))
    assert set(re.findall(r"annotune##(\w+)", HELP + ADO)) == markers


def test_what_net_install_fetches_is_there():
    files = re.findall(r"^f (.+)$", (STATA / "annotune.pkg").read_text("utf-8"), re.MULTILINE)
    assert set(files) == {path.name for path in STATA.iterdir()} - {"annotune.pkg", "stata.toc"}


def expanded(line, macros):
    """A line as Stata would hand it on, with what it knows in the places of its macros."""
    line = re.sub(r"`macval\((\w+)\)'", r"`\1'", line)
    return re.sub(r"`(\w+)'", lambda match: macros.get(match[1], ""), line).strip()


def shell_line(words, folder):
    line = re.search(r"^ *shell (.+)$", programs()["annotune_shell"], re.MULTILINE)[1]
    program = f'{sys.executable}" -m "annotune'
    return expanded(line, {"program": program, "0": words, "log": str(folder / "a log"), "done": str(folder / "done")})


@pytest.mark.skipif(os.name == "nt", reason="The line is run by sh")
@pytest.mark.parametrize(("words", "goes_well"), [("--version", True), ('verify "no such file"', False)])
def test_the_shell_says_whether_all_went_well(tmp_path, words, goes_well):
    done = subprocess.run(["sh", "-c", shell_line(words, tmp_path)], capture_output=True, check=False)
    assert (tmp_path / "done").exists() == goes_well
    assert (done.stdout, done.stderr) == (b"", b"")
    assert (at.__version__ if goes_well else "Error: ") in (tmp_path / "a log").read_text("utf-8")


@pytest.mark.skipif(os.name == "nt", reason="The line is run by sh")
@pytest.mark.parametrize("version", [118, 114])
def test_texts_of_stata_are_coded_row_by_row(tmp_path, model_folder, version, command):
    """What annotune_classify saves and reads back, by Python's hands: rows, names, labels; one of them by the shell."""
    lines = programs()["annotune_classify"]
    texts = ["the budget of the state", None, "the hospital " * (300 if version == 118 else 3)]
    frame = pl.DataFrame({"_annotune_row": ["1", "2", "7"], "_annotune_text": texts}).to_pandas()
    strl = ["_annotune_text"] if version == 118 else None
    frame.fillna("").to_stata(tmp_path / "stub_texts.dta", write_index=False, version=version, convert_strl=strl)
    words = re.search(r"^ *annotune_shell (classify .+)$", lines, re.MULTILINE)[1]
    words = expanded(words, {"model": str(model_folder), "stub": str(tmp_path / "stub")})
    if version == 118:
        subprocess.run(["sh", "-c", shell_line(words, tmp_path)], check=True)
        assert (tmp_path / "done").exists(), (tmp_path / "a log").read_text("utf-8")
    else:
        assert command(*shlex.split(words)).returncode == 0
    coded, about = pyreadstat.read_dta(tmp_path / "stub_coded.dta")
    assert coded["unit_id"].tolist() == ["1", "2", "7"]
    status = [name for name in coded.columns if name.endswith("_status")]
    assert len(status) == 1, "By this column the program knows the variable's name."
    variable = status[0].removesuffix("_status")
    assert all(name.startswith(variable) for name in coded.columns if name != "unit_id")
    assert variable in about.variable_value_labels
    assert coded[status[0]].tolist()[1] != "ok"
    left = set(re.search(r"foreach file in (.+?) \{", lines)[1].split())
    assert {f"stub_{name}" for name in left} == {path.name for path in tmp_path.glob("stub_*")}


def test_words_reach_the_program_as_they_were_typed():
    words = "correct results.parquet \"topic == 'Health' ~ party\" --pi 0.1"
    assert shlex.split(shell_line(words, Path("x")).split(" > ")[0])[3:] == shlex.split(words)
