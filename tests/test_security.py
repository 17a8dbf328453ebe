"""What docs/security.md promises: no code comes out of data, and nothing is sent anywhere that was not asked for."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import os
import pickle
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
import yaml

import annotune as at
from annotune.correction.formulas import FUNCTIONS
from annotune.network.base import find_base, load_backbone
from annotune.records.checkpoints import Checkpoints
from annotune.tables import read_table

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "python" / "annotune"
RUNS_CODE = {"eval", "exec", "compile", "__import__"}
UNPICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
READS_PICKLES = {("torch", "load"), ("pd", "read_pickle"), ("pandas", "read_pickle"), ("os", "system"), ("os", "popen")}
YAML_LOADERS = {"load", "load_all", "compose", "compose_all", "parse", "scan", "unsafe_load", "full_load"}


def call_of(node):
    """The names of a call: ("torch", "load"), or ("", "eval")."""
    if isinstance(node.func, ast.Attribute):
        return (node.func.value.id if isinstance(node.func.value, ast.Name) else "?"), node.func.attr
    return "", getattr(node.func, "id", "?")


def is_constant(node, value):
    return isinstance(node, ast.Constant) and node.value is value


def keyword(node, name):
    return next((word.value for word in node.keywords if word.arg == name), None)


def unsafe_calls(source, module=None):
    """What in a source could run code that comes with data, each with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)]
            findings = [f"import {name}" for name in names if name.split(".")[0] in UNPICKLES]
        elif isinstance(node, ast.Dict):
            options = [(getattr(key, "value", None), value) for key, value in zip(node.keys, node.values, strict=True)]
            findings = unsafe_options(options)
        elif isinstance(node, ast.Call):
            options = [(word.arg, word.value) for word in node.keywords]
            findings = [*unsafe_options(options), *unsafe_functions(node, module)]
        else:
            continue
        yield from (f"{node.lineno}: {finding}" for finding in findings)


def unsafe_options(options):
    return [name for name, value in options if name in ("shell", "trust_remote_code") and not is_constant(value, False)]


def unsafe_functions(node, module):
    owner, name = call_of(node)
    pickles = (owner, name) in {("np", "load"), ("numpy", "load")}
    if (owner == "" and name in RUNS_CODE) or (owner, name) in READS_PICKLES:
        yield f"{owner}.{name}"
    if pickles and not is_constant(keyword(node, "allow_pickle"), False):
        yield "numpy.load"
    if owner == "yaml" and name in YAML_LOADERS and not has_safe_loader(node, module):
        yield f"yaml.{name}"


def has_safe_loader(node, module):
    """Whether a call names a loader of plain values: PyYAML's safe ones, or one of the module's that rests on them."""
    loader = keyword(node, "Loader") or (node.args[1] if len(node.args) > 1 else None)
    named = ast.unparse(loader) if loader is not None else ""
    if named in ("yaml.SafeLoader", "yaml.CSafeLoader"):
        return True
    own = getattr(module, named, None) if named.isidentifier() else None
    safe = tuple(getattr(yaml, name) for name in ("SafeLoader", "CSafeLoader") if hasattr(yaml, name))
    return isinstance(own, type) and issubclass(own, safe)


def test_no_file_of_ours_runs_what_data_say():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        dotted = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        module = importlib.import_module(dotted) if "yaml." in source else None
        found += [f"{path.relative_to(ROOT)}:{call}" for call in unsafe_calls(source, module)]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "eval(text)", "exec(text)", "import pickle", "from joblib import load", "torch.load(path, weights_only=True)",
        "np.load(path)", "np.load(path, allow_pickle=True)", "yaml.load(text, Loader=yaml.Loader)", "yaml.load(text)",
        "yaml.unsafe_load(text)", "yaml.compose(text, Loader=Strange)", "subprocess.run(call, shell=True)",
        "os.system(call)", "AutoModel.from_pretrained(folder, trust_remote_code=True)", "pd.read_pickle(path)",
        "AutoModel.from_pretrained(folder, trust_remote_code=trusted)", 'options = {"trust_remote_code": True}',
    ],
)  # fmt: skip
def test_the_search_for_them_finds_each(source):
    assert list(unsafe_calls(source))


def test_safe_ways_are_no_finding():
    sources = ["yaml.compose(text, Loader=yaml.SafeLoader)", "np.load(path, allow_pickle=False)", "model.eval()"]
    assert [call for source in sources for call in unsafe_calls(source)] == []


def test_no_file_of_the_r_package_runs_what_data_say():
    for path in sorted((ROOT / "r-package" / "R").glob("*.R")):
        code = "\n".join(line for line in path.read_text("utf-8").splitlines() if not line.lstrip().startswith("#"))
        assert not re.search(r"\beval\(\s*parse|\bsource\(|\bunserialize\(|\bload\(|download\.file|\burl\(", code), path


def test_a_model_with_code_of_its_own_is_refused_and_the_code_not_run(tmp_path, tiny_base):
    folder = tmp_path / "base"
    folder.mkdir()
    for file in tiny_base.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    mark = tmp_path / "ran"
    (folder / "code.py").write_text(f"open({str(mark)!r}, 'w')\nclass Config: ...\nclass Model: ...\n")
    config = (folder / "config.json").read_text()
    own = '{"auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}, "model_type": "own", '
    (folder / "config.json").write_text(re.sub(r'"model_type": "\w+",?', "", config).replace("{", own, 1))
    labels = (at.Label(code=1, name="a"), at.Label(code=2, name="b"))
    book = at.Codebook(variables=(at.Variable(name="x", labels=labels),))
    texts = [(str(i), f"nurse {i}") for i in range(40)]
    gold = [(str(i), "x", "g", "ab"[i % 2]) for i in range(40)]
    corpus = pl.DataFrame(texts, schema=["unit_id", "text"], orient="row")
    codings = pl.DataFrame(gold, schema=["unit_id", "variable", "coder", "label"], orient="row")
    with pytest.raises(at.AnnotuneError, match="cannot be loaded"):
        at.tune(corpus, codings, book, base=str(folder))
    assert not mark.exists()


def test_weights_that_can_run_code_are_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    with pytest.raises(at.AnnotuneError, match="can run code and are not read"):
        find_base(str(tmp_path))


class Hostile:
    """Whatever unpickles it makes a folder."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def hostile_files(mark):
    """Files that run code where they are read by what unpickles: plain, as torch writes them, and in numpy's arrays."""
    plain = pickle.dumps(Hostile(mark))
    torch.save(Hostile(mark), zipped := io.BytesIO())
    np.save(array := io.BytesIO(), np.array([Hostile(mark)], dtype=object), allow_pickle=True)
    np.savez(arrays := io.BytesIO(), texts=np.array([Hostile(mark)], dtype=object))
    return {"plain": plain, "torch": zipped.getvalue(), "npy": array.getvalue(), "npz": arrays.getvalue()}


@pytest.mark.parametrize("kind", ["plain", "torch", "npy", "npz"])
def test_no_reader_unpickles_whatever_a_file_is_called(tmp_path, tiny_base, kind):
    mark = tmp_path / "ran"
    content = hostile_files(mark)[kind]
    readers = {".csv": read_table, ".pkl": read_table, ".pickle": read_table, ".npz": read_table}
    readers |= dict.fromkeys((".parquet", ".dta", ".sav", ".rds", ".xlsx", ".json", ".annotune"), read_table)
    readers |= {".yaml": at.read_codebook, ".zip": at.replicate, ".study.yaml": at.run}
    for suffix, read in readers.items():
        path = tmp_path / f"file{suffix}"
        path.write_bytes(content)
        with contextlib.suppress(at.AnnotuneError):  # a .csv is whatever its bytes say
            read(path)
        assert not mark.exists(), suffix
    base = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    for weights in base.glob("*.safetensors"):
        weights.write_bytes(content)
    with pytest.raises(at.AnnotuneError, match="cannot be loaded"):
        load_backbone(find_base(str(base)), torch.device("cpu"))
    work = Checkpoints(tmp_path / "work", "basis")
    work.put("fold", {"texts": np.zeros(2)})
    (tmp_path / "work" / "fold.npz").write_bytes(content)
    work.finish("fold.npz")  # with the fingerprint of the other one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is done again
        work.get("fold")
    assert not mark.exists()


def test_the_hostile_files_would_run_where_they_are_unpickled(tmp_path):
    for n, (kind, content) in enumerate(hostile_files(tmp_path / "ran").items()):
        if kind == "plain":
            pickle.loads(content)
        elif kind == "torch":
            torch.load(io.BytesIO(content), weights_only=False)
        else:
            arrays = np.load(io.BytesIO(content), allow_pickle=True)
            _ = arrays["texts"] if kind == "npz" else arrays
        (tmp_path / "ran").rename(tmp_path / f"ran{n}")


def test_the_page_names_tests_that_are_there_and_the_functions_that_formulas_know():
    page = " ".join((ROOT / "docs" / "security.md").read_text(encoding="utf-8").split())
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", page))
    assert len(named) >= 6
    assert all((ROOT / name).is_file() for name in named)
    listed = re.search(r"the functions (.*?) and contrasts", page)
    assert set(re.findall(r"`(\w+)`", listed[1])) == {name for name in FUNCTIONS if "." not in name}


WATCH = """
import os, sys

EVENTS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.sendto",
          "socket.sendmsg", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")


def watch(event, args):
    local = event == "socket.connect" and isinstance(args[1], (str, bytes))  # another process of this machine
    if event in EVENTS and not local:
        with open(os.environ["WATCHED"], "a") as log:
            log.write(f"{event} {args!r}\\n")


sys.addaudithook(watch)
with open(os.environ["WATCHED"], "a") as log:
    log.write("begins\\n")
"""
STUDY = """
import re, sys
from pathlib import Path
import annotune as at
from annotune.cli import app

if __name__ == "__main__":
    study = at.demo(Path("demo"), n=60, n_coded=40).study
    text = study.read_text(encoding="utf-8")
    study.write_text(text.replace("seed: 1", "seed: 1, method: probe, folds: 2"), encoding="utf-8")
    sys.argv = ["annotune", "run", str(study)]
    app(standalone_mode=False)
    assert (study.parent / "report.html").is_file()
"""
TALK = """
import socket, subprocess, sys
code = "import socket\\ntry: socket.create_connection(('127.0.0.1', 9), 1)\\nexcept OSError: pass"
subprocess.run([sys.executable, "-c", code], check=True)
"""


def events_of(tmp_path, script):
    """What a script and all Python processes below it did, as far as Python's audit events tell."""
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH, encoding="utf-8")
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path / "watch"), str(ROOT / "python")])
    online = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
    environment = {**online, "PYTHONPATH": path, "WATCHED": str(tmp_path / "log")}
    run = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )
    assert run.returncode == 0, run.stderr
    return (tmp_path / "log").read_text(encoding="utf-8").splitlines()


def test_a_study_with_its_report_opens_no_connection(tmp_path):
    events = events_of(tmp_path, STUDY)
    page = (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert not re.search(r"<link|<script[^>]*src|<iframe|@import|(src|url\()\s*=?\s*[\"'(]?https?:", page)
    assert events[0] == "begins"
    assert [event for event in events if event.startswith("socket.")] == []
    started = [event for event in events if event != "begins"]
    assert all(Path(sys.executable).name in event for event in started), started  # children that are watched as well


def test_connections_of_children_would_have_been_seen(tmp_path):
    events = events_of(tmp_path, TALK)
    assert events.count("begins") == 2
    assert any(event.startswith("socket.connect") for event in events)
