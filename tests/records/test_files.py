"""Files and folders are whole or as they were, whatever stops the writing; and one record tells of a run's files."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotune.errors import AnnotuneError, AnnotuneWarning
from annotune.records import drafts
from annotune.records.checkpoints import Checkpoints
from annotune.records.files import folder_for, replacing, require_folder, require_writable, write_whole
from annotune.records.fingerprints import file_sha256
from annotune.records.record import make_record, record_outputs


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def fill(draft):
    """A folder with a file in a folder."""
    (draft / "inner").mkdir(parents=True)
    (draft / "inner" / "a.txt").write_text("new")


def test_a_folder_takes_the_place_of_another(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old.txt").write_text("old")
    with replacing(tmp_path / "model") as draft:
        fill(draft)
    assert names(tmp_path) == ["a.txt", "inner", "model"]


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("x")])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_fails_half_way_leaves_what_was_there(tmp_path, kind, fault):
    target = tmp_path / "target"
    if kind == "file":
        target.write_text("old")
    else:
        fill(target)
    before = names(tmp_path)
    error = AnnotuneError if isinstance(fault, OSError) else type(fault)

    def write_and_fail():
        with replacing(target) as draft:
            draft.write_text("new") if kind == "file" else fill(draft)
            raise fault

    with pytest.raises(error) as caught:
        write_and_fail()
    assert error is not AnnotuneError or "No space left" in str(caught.value)
    assert names(tmp_path) == before
    assert kind == "folder" or target.read_text() == "old"


@pytest.mark.parametrize("swaps", [True, False])
def test_a_rename_that_fails_leaves_the_old_folder(tmp_path, monkeypatch, swaps):
    fill(tmp_path / "model")
    replace = os.replace

    def fail(source, target):
        if ".was." not in f"{source}{target}":
            raise OSError(13, "Permission denied")
        replace(source, target)

    monkeypatch.setattr(drafts.os, "replace", fail)
    monkeypatch.setattr(drafts, "_swap", fail if swaps else lambda one, other: False)
    with pytest.raises(AnnotuneError, match="Permission denied"), replacing(tmp_path / "model") as draft:
        fill(draft)
    assert names(tmp_path) == ["a.txt", "inner", "model"]


def test_bytes_are_on_the_disk_before_the_name_is_taken(tmp_path, monkeypatch):
    order = []
    settle, replace, fsync = drafts._settle_one, os.replace, os.fsync
    monkeypatch.setattr(drafts, "_settle_one", lambda path: (order.append(path), settle(path)))
    monkeypatch.setattr(drafts.os, "replace", lambda a, b: (order.append("renamed"), replace(a, b)))
    monkeypatch.setattr(drafts.os, "fsync", lambda number: (order.append("on the disk"), fsync(number)))

    def steps():
        """The names of what was put on the disk, and when it was renamed; drafts are one word."""
        names = [step if isinstance(step, str) else step.name for step in order]
        order.clear()
        return ["draft" if name.startswith(".annotune-") else name for name in names]

    write_whole(tmp_path / "new" / "a.txt", "whole")
    assert steps() == ["draft", "on the disk", "renamed", "new", "on the disk"]
    Checkpoints(tmp_path / "work", "basis").put("sums", {"n": np.arange(3)})
    assert steps() == ["draft", "on the disk", "renamed", "work", "on the disk"] * 2  # the arrays, the note on them
    with replacing(tmp_path / "model") as draft:
        fill(draft)
    done = steps()
    assert {"inner", "a.txt", "draft"} == {name for name in done[: done.index("renamed")] if name != "on the disk"}
    assert done[-3:] == ["renamed", tmp_path.name, "on the disk"]


def test_notes_may_lie_elsewhere(tmp_path):
    pieces = Checkpoints(tmp_path / "out", "basis", notes=tmp_path / "work")
    pieces.start("page.html").write_text("page")
    pieces.finish("page.html")
    assert names(tmp_path / "out") == ["page.html"]
    assert pieces.has("page.html")
    assert not Checkpoints(tmp_path / "out", "other", notes=tmp_path / "work").has("page.html")


def test_a_piece_with_other_values_is_done_again_and_told_once(tmp_path):
    """It can be read as well as the one that was finished: its fingerprint alone tells."""
    pieces = Checkpoints(tmp_path, "basis")
    pieces.put("sums", {"n": np.arange(3)})
    pieces.start("page.html").write_text("whole")
    pieces.finish("page.html")
    np.savez(tmp_path / "sums.npz", n=np.arange(4))
    (tmp_path / "page.html").write_text("other")
    for name, use in (("sums.npz", lambda: pieces.get("sums")), ("page.html", lambda: pieces.read("page.html"))):
        with pytest.warns(AnnotuneWarning, match=f"{name} is damaged; that part is done again"):
            assert use() is None
        assert use() is None
    with pytest.raises(AnnotuneError, match="was changed by another program"):
        pieces.require("page.html")


def test_one_record_names_every_file_as_seen_from_its_place(tmp_path):
    outputs = [tmp_path / "a.csv", tmp_path / "deep" / "b.csv"]
    for path in outputs:
        write_whole(path, path.name)
        write_whole(tmp_path / f"{path}.record.json", "an older record")
    path = record_outputs(make_record("annotune test"), outputs)
    assert path == tmp_path / "a.csv.record.json"
    record = json.loads(path.read_text())
    assert record["outputs"] == [
        {"file": "a.csv", "sha256": file_sha256(outputs[0])},
        {"file": "deep/b.csv", "sha256": file_sha256(outputs[1])},
    ]
    assert not (tmp_path / "deep" / "b.csv.record.json").exists()
    elsewhere = record_outputs(make_record("annotune test"), outputs, tmp_path / "other" / "run.record.json")
    assert [output["file"] for output in json.loads(elsewhere.read_text())["outputs"]] == ["a.csv", "b.csv"]


@given(st.text(max_size=300))
def test_whatever_a_variable_is_called_its_folder_lies_inside(name):
    parent = Path("work").resolve()
    folder = folder_for(parent, name)
    assert folder.parent == parent
    assert len(folder.name.encode()) < 250
    assert folder.name not in ("", ".", "..")


def test_names_of_files_make_folders_of_their_own(tmp_path):
    names = [
        "topic",
        "Topic (1990-95)",
        "thème",
        "../../victim",
        "..",
        "a/b",
        "a\\b",
        "a:b",
        "NUL",
        "con.txt",
        "x.",
        "",
        "/",
    ]
    folders = [folder_for(tmp_path, name).name for name in names]
    assert folders[:3] == names[:3]
    assert len({folder.lower() for folder in folders}) == len(names)
    assert not any(set(folder) & set("/\\:") or folder.endswith((".", " ")) for folder in folders)


def test_a_link_that_leads_elsewhere_is_refused(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "victim").mkdir()
    (tmp_path / "work" / "topic").symlink_to(tmp_path / "victim")
    with pytest.raises(AnnotuneError, match="leads to"):
        folder_for(tmp_path / "work", "topic")


LEFT = """
import os, sys
from pathlib import Path
from annotune.records import drafts
from annotune.records.files import replacing, scratch_folder
folder = Path(sys.argv[1])
drafts._swap = lambda one, other: False
replace = os.replace
def killed_between(one, other):
    replace(one, other)
    os._exit(9)
with scratch_folder(folder) as scratch:
    (scratch / "large").write_text("x" * 1000)
    with replacing(folder / "a.csv") as draft:
        draft.write_text("half")
        with replacing(folder / "model") as model:
            model.mkdir()
            drafts.os.replace = killed_between
"""


def test_what_a_killed_process_left_is_swept_and_what_it_moved_aside_comes_back(tmp_path):
    fill(tmp_path / "model")
    assert subprocess.run([sys.executable, "-c", LEFT, str(tmp_path)]).returncode == 9
    left = names(tmp_path)
    assert len([name for name in left if name.startswith(".annotune-")]) == 4
    assert not (tmp_path / "model").exists()
    write_whole(tmp_path / "b.txt", "the next process looks there")
    assert names(tmp_path) == ["a.txt", "b.txt", "inner", "model"]


def test_another_machines_drafts_are_left_alone_for_a_day(tmp_path):
    young, old = (tmp_path / f".annotune-00000000-1-{n}-1.csv" for n in (1, 2))
    for path in (young, old):
        path.write_text("half")
    os.utime(old, (0, time.time() - 2 * drafts.DAY))
    (tmp_path / ".annotune-notes.txt").write_text("a person's")
    drafts.sweep(tmp_path)
    assert names(tmp_path) == [young.name, ".annotune-notes.txt"]


def test_a_name_that_is_too_long_is_a_sentence(tmp_path):
    long, longest = tmp_path / ("e" * 300 + ".csv"), tmp_path / ("é" * 119 + ".csv")
    for refuse in (lambda: require_writable([long]), lambda: require_folder(long), lambda: write_whole(long, "")):
        with pytest.raises(AnnotuneError, match=r"The name e{40}\.\.\. has 304 bytes, and may not have more than 2"):
            refuse()
    with pytest.raises(AnnotuneError, match="may not have more than 243"):  # there is a record beside it
        require_writable([longest.with_stem("é" * 120)])
    require_writable([longest])
    write_whole(longest, "as long as it may be")
    record_outputs(make_record("annotune test"), [longest])
    assert len(names(tmp_path)) == 2
