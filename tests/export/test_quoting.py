r"""Scripts whose paths, names and labels hold what Stata and R read as commands: they come out as they are.

R runs its scripts here. Stata is not at hand; its do-files are read by the rules of its manual, as far as quotes and
macros go. Macros ([U] 18.3 Macros, and StataCorp's FAQ "Backslashes and macros"): `\$` is `$`, `` \` `` is `` ` ``,
`\\` is `\`, and nothing of them is expanded; any other backslash stands for itself. `` `name' `` and `$name` are
replaced by what the macro holds, by nothing where there is none, in strings and comments as anywhere else. Strings
([U] 18.3.5 Double quotes): `"..."` ends at the next quote, and compound quotes `` `"..."' `` nest.
"""

import re
import shutil
import subprocess

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import annotune as at
from annotune.export.quoting import comment, r_name, r_string, stata_file, stata_string
from annotune.export.scripts import Regression

GLOBAL = re.compile(r"\$\{?[A-Za-z_0-9]+\}?")
CHAR = re.compile(r"char\((\d+)\)")


def expanded(line):
    """The line after macro expansion, where every global macro holds BOOM, and no local one is there."""
    out, place = [], 0
    while place < len(line):
        sign, rest = line[place], line[place:]
        if sign == "\\" and rest[1:2] in ("$", "`", "\\") and len(rest) > 1:
            out.append(rest[1])
            place += 2
        elif sign == "`" and rest[1:2] != '"':
            end = rest.find("'")
            assert end > 0, f"a macro that does not end: {rest!r}"
            place += end + 1
        elif match := GLOBAL.match(rest):
            out.append("BOOM")
            place += match.end()
        else:
            out.append(sign)
            place += 1
    return "".join(out)


def string(text):
    """The string that a text begins with, and what comes after it."""
    if text.startswith('`"'):
        depth, place = 1, 2
        while depth:
            assert place < len(text), f"a string that does not end: {text!r}"
            pair = text[place : place + 2]
            depth += {'`"': 1, "\"'": -1}.get(pair, 0)
            place += 2 if pair in ('`"', "\"'") else 1
        return text[2 : place - 2], text[place:]
    assert text.startswith('"'), f"no string: {text!r}"
    end = text.find('"', 1)
    assert end > 0, f"a string that does not end: {text!r}"
    return text[1:end], text[end + 1 :]


def value(expression):
    """What an expression of strings, `char()` and plus signs comes to."""
    total = ""
    while True:
        if match := CHAR.match(expression):
            piece, expression = chr(int(match[1])), expression[match.end() :]
        else:
            piece, expression = string(expression)
        total += piece
        if not expression:
            return total
        assert expression.startswith(" + "), f"no plus sign: {expression!r}"
        expression = expression[3:]


TRAPS = [
    "$S_DATE", "`c(pwd)'", 'say "no"', "\"' + shell", "a`\"b", "a\\`b", "\\$x", "a\\\\", "it's", "line\nbreak", "\r",
    "/* x", "a // b", "a /// b", "*/", "#{", "%s", "é 😀", "'", "`", '"', "\\", "$", "$$", "``''", "\x07", "; rm", "\t",
]  # fmt: skip
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    st.text("$`'\"\\ab{}=: \n/*()+", max_size=12),
    st.sampled_from(TRAPS),
)


@given(TEXTS)
def test_stata_sees_any_text_as_it_is(text):
    line = f"display {stata_string(text)}"
    assert "\n" not in line
    assert "\r" not in line
    assert value(expanded(line).removeprefix("display ")) == text


@given(TEXTS)
@example('a "b" $c `d\'')
@example('a "b" c`')  # before the closing quotes the last sign would open others
def test_stata_opens_the_file_or_its_name_is_refused(name):
    refused = re.search(r'"\'|`"|".*`$|[\\\x00-\x1f\x7f]', name)
    if refused:
        with pytest.raises(at.AnnotuneError, match="A do-file cannot name the file"):
            stata_file(name)
    else:
        assert string(expanded(stata_file(name))) == (name, "")


@given(TEXTS)
def test_a_comment_is_one_line_without_macros(text):
    line = comment(text)
    assert len(line.splitlines()) <= 1
    assert expanded(line) == line.replace("\\\\", "\\")
    assert not re.search(r"/\*|//|[$`]", line)


def test_r_sees_any_text_as_it_is(tmp_path):
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed.")
    texts = [*TRAPS, "\x7f", "\u2028", "\\u0041", "\\x41"]
    lines = [
        f"stopifnot(identical(charToRaw({r_string(text)}), as.raw(c({', '.join(map(str, text.encode()))}))), "
        f"identical(as.character(quote({r_name(text)})), {r_string(text)}))"
        for text in texts
    ]
    (tmp_path / "texts.R").write_text("\n".join([*lines, 'cat("all the same")']), encoding="utf-8")
    run = subprocess.run(
        ["Rscript", "--encoding=UTF-8", "texts.R"],
        cwd=tmp_path, capture_output=True, text=True, timeout=600, env={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert run.stdout == "all the same", run.stderr


LABELS = ["no\nbreak $S_DATE `c(pwd)'", 'a "b" \\ c\'s', "plain"]
PARTIES = ['l$x "`y\'" \\', "right\nleft", "other"]


@pytest.fixture
def hostile():
    """A table whose labels, categories and column names hold quotes, macros and line breaks, and its regression."""
    data = pl.DataFrame(
        {
            "topic": LABELS * 8,
            "par`ty\n": (PARTIES * 8)[1:] + PARTIES[:1],
            '$ye"ar\\': [*range(1990, 2014)],
        }
    ).with_columns(pl.col("par`ty\n").reverse())
    labels = {"topic": dict(enumerate(LABELS))}
    left = LABELS[0].replace("\\", "\\\\").replace("'", "\\'")
    formula = f"topic == '{left}' ~ party + year"
    return data, labels, formula


def hostile_regression(data, formula):
    names = data.columns
    renamed = data.rename({names[1]: "party", names[2]: "year"})
    return renamed, Regression(formula, references={"party": PARTIES[0]})


def test_the_do_file_holds_hostile_labels_and_its_path_literally(tmp_path, hostile):
    data, labels, formula = hostile
    table, regression = hostile_regression(data, formula)
    path = tmp_path / "cost $S_DATE `c(pwd)' it's.dta"
    at.write(table, path, labels=labels, regressions=[regression])
    lines = path.with_suffix(".do").read_text(encoding="utf-8").splitlines()
    assert (tmp_path / string(expanded(lines[1]).removeprefix("use "))[0]).is_file()
    find = next(line for line in lines if line.startswith("quietly summarize"))
    expression = re.fullmatch(r"quietly summarize party_factor if party == (.*), meanonly", expanded(find))
    assert value(expression[1]) == PARTIES[0]
    others = [line for line in lines if line not in (lines[1], find) and "`base_party'" not in line]
    assert [expanded(line) for line in others] == others  # nothing else is a macro
    assert all(line.startswith("*") or line.count('"') % 2 == 0 for line in others)


def test_r_runs_the_script_of_hostile_labels_names_and_paths(tmp_path, hostile):
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed.")
    data, labels, formula = hostile
    table, regression = hostile_regression(data, formula)
    folder = tmp_path / 'a "b" `c\' $d \\ e'
    folder.mkdir()
    path = folder / 'r "x" \\ \'s\n.rds'
    at.write(table, path, labels=labels, regressions=[regression])
    script = path.with_suffix(".R")
    with script.open("a") as file:
        file.write("cat(sum(plain_1$model[[1]]), file = 'ones.txt')")
    run = subprocess.run(
        ["Rscript", "-e", "source(commandArgs(TRUE)[1], encoding = 'UTF-8')", script.name],
        cwd=folder, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert (folder / "ones.txt").read_text() == "8"


def test_a_do_file_that_cannot_name_its_data_stops_before_anything_is_written(tmp_path):
    with pytest.raises(at.AnnotuneError, match="cannot name the file"):
        at.write(pl.DataFrame({"x": [1]}), tmp_path / "a\nb.dta", regressions=[])
    assert list(tmp_path.iterdir()) == []


def test_a_reference_category_is_no_command(tmp_path):
    data = pl.DataFrame({"y": [1.0, 2, 3, 4], "year": [1990, 1991, 1990, 1991]})
    for base in ("1990 c.y", "1990; shell", "none"):
        with pytest.raises(at.AnnotuneError, match="is no value of 'year'"):
            at.write(data, tmp_path / "r.dta", regressions=[Regression("y ~ factor(year)", references={"year": base})])
    labels = {"year": {1990: "then", 1991: "now"}}
    regression = Regression("y ~ year", references={"year": "1990 c.y"})
    with pytest.raises(at.AnnotuneError, match=r"'1990 c\.y' is not a label of 'year'"):
        at.write(data, tmp_path / "r.dta", labels=labels, regressions=[regression])


def test_references_that_stata_has_no_factor_for_are_numbered(tmp_path):
    data = pl.DataFrame({"y": [1.0, 2, 3, 4], "share": [-1.5, 2.5, -1.5, 2.5], "open": [True, False, True, False]})
    regression = Regression("y ~ factor(share) + factor(open)", references={"share": "-1.5", "open": "True"})
    at.write(data, tmp_path / "r.dta", regressions=[regression])
    lines = (tmp_path / "r.do").read_text().splitlines()
    assert "egen share_factor = group(share), label" in lines
    assert "quietly summarize share_factor if share == -1.5, meanonly" in lines
    assert "regress y ib`base_share'.share_factor ib1.open, vce(robust)" in lines


def test_names_made_for_long_columns_differ(tmp_path):
    long = "the_long_name_of_the_party_family"
    data = pl.DataFrame({"y": [1.0, 2, 3, 4], f"{long}_a": ["p", "q"] * 2, f"{long}_b": ["p", "p", "q", "q"]})
    data = data.with_columns(plain_1_y=pl.lit(0.5), topic=pl.Series(["a", "b", "b", "a"]))
    columns = [f"{long}_a", f"{long}_b"]
    regression = Regression("topic == 'a' ~ " + " + ".join(columns), references=dict.fromkeys(columns, "q"))
    at.write(data, tmp_path / "r.dta", labels={"topic": {1: "a", 2: "b"}}, regressions=[regression])
    lines = (tmp_path / "r.do").read_text().splitlines()
    made = [line.split()[1] for line in lines if line.startswith("egen")]
    macros = [line.split()[1] for line in lines if line.startswith("local")]
    outcome = next(line for line in lines if line.startswith("generate byte")).split()[2]
    assert len({*made, outcome, "plain_1_y"}) == 4
    assert len(set(macros)) == 2
    assert all(len(name) <= 32 for name in made)
    assert all(len(name) <= 31 for name in macros)
    assert "data$plain_1_y_ <-" in (tmp_path / "r.R").read_text()
