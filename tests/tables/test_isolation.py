"""What breaks a library off, or takes memory without end, is a sentence; the process of the user goes on."""

import gzip
import itertools
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pyreadstat
import pytest
import xlsxwriter

import annotune as at
from annotune.tables import child, isolation, memory, read_table
from annotune.tables.read import read_here

FRAME = pl.DataFrame({"unit_id": ["a", "b"], "topic": [1.0, 3.0]})


@pytest.fixture
def sav(tmp_path):
    pyreadstat.write_sav(FRAME, tmp_path / "t.sav", variable_value_labels={"topic": {1.0: "Tax", 3.0: "Health"}})
    return tmp_path / "t.sav"


def process():
    return isolation._kept.child.process


def test_one_process_reads_every_file_and_hands_over_all_that_a_file_says(sav, tmp_path):
    table = read_table(sav)
    first = process().pid
    assert first != os.getpid()
    assert table.frame.equals(read_here(sav, (), None).frame)
    assert table.labels == {"topic": {1: "Tax", 3: "Health"}}
    assert [type(code) for code in table.labels["topic"]] == [int, int]
    FRAME.write_excel(tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx").frame["unit_id"].to_list() == ["a", "b"]
    assert process().pid == first


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("death", [signal.SIGSEGV, signal.SIGABRT])
def test_a_library_that_breaks_off_is_a_sentence_and_the_next_file_is_read(sav, monkeypatch, death):
    read_table(sav)
    ask = isolation._Child.ask

    def killed(self, request, seconds):
        os.kill(self.process.pid, signal.SIGSTOP)  # as if it were in the library
        threading.Timer(0.1, lambda: [os.kill(self.process.pid, s) for s in (death, signal.SIGCONT)]).start()
        return ask(self, request, seconds)

    monkeypatch.setattr(isolation._Child, "ask", killed)
    with pytest.raises(at.AnnotuneError, match=rf"t\.sav cannot be read as sav: the library .* \({death.name}\)"):
        read_table(sav)
    monkeypatch.undo()
    assert read_table(sav).frame["topic"].to_list() == ["Tax", "Health"]


def test_a_process_that_ended_between_two_files_is_started_again(sav):
    read_table(sav)
    process().kill()
    process().wait()
    assert read_table(sav).frame.height == 2


def test_a_file_that_takes_too_long_is_a_sentence(sav, monkeypatch):
    read_table(sav)
    monkeypatch.setattr(isolation, "PATIENCE", 0.2)
    monkeypatch.setattr(isolation, "SLOWEST", 1e12)
    monkeypatch.setattr(isolation._Child, "_send", lambda *_: None)  # it waits for a request, and never answers
    with pytest.raises(at.AnnotuneError, match=r"t\.sav cannot be read as sav: it takes too long"):
        read_table(sav)


@pytest.mark.skipif(sys.platform != "linux", reason="only there the system can refuse it")
def test_more_memory_than_there_is_is_a_sentence(tmp_path, monkeypatch):
    """The limit holds in the process that reads, so that one is made for it."""
    code = (
        "import sys; from annotune.tables import child; child.SHARE = 0.0; child._limit_memory()\n"
        "from annotune.tables.read import read_here; from pathlib import Path; read_here(Path(sys.argv[1]), (), None)"
    )
    pl.DataFrame({"x": np.zeros(40_000_000)}).write_parquet(tmp_path / "t.parquet")
    run = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "t.parquet"], capture_output=True, check=False, timeout=600
    )
    assert run.returncode != 0
    assert b"memory" in run.stderr
    assert child.SHARE < 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system forks no processes")
def test_a_forked_process_asks_a_process_of_its_own(sav):
    read_table(sav)
    first = process().pid
    code = (
        "import os, sys; from annotune.tables import isolation, read_table\n"
        "read_table(sys.argv[1]); first = isolation._kept.child.process.pid\n"
        "if os.fork() == 0:\n"
        "    ok = isolation._kept.child is None and isolation._kept.turn.acquire(blocking=False)\n"
        "    os._exit(7 if ok else 1)\n"
        "_, status = os.wait(); assert isolation._kept.child.process.pid == first\n"
        "read_table(sys.argv[1]); sys.exit(os.waitstatus_to_exitcode(status))"
    )
    assert subprocess.run([sys.executable, "-c", code, sav], check=False, timeout=600).returncode == 7
    assert process().pid == first


def test_a_script_without_a_guard_is_run_once(sav, tmp_path):
    """`multiprocessing` would import the script again in the new process."""
    (tmp_path / "script.py").write_text(
        "import sys, annotune.tables\nprint('once')\nannotune.tables.read_table(sys.argv[1])\n"
    )
    run = subprocess.run([sys.executable, tmp_path / "script.py", sav], capture_output=True, text=True, timeout=600)
    assert (run.returncode, run.stdout, run.stderr) == (0, "once\n", "")


def test_files_beside_the_user_are_no_libraries(sav, tmp_path):
    for name in ("polars", "pyreadstat", "json", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the user was run')")
    code = "import sys; sys.path.remove(''); from annotune.tables import read_table; sys.path[:0] = ['']\n"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}print(read_table('t.sav').frame.height)"],
        capture_output=True, text=True, cwd=tmp_path, timeout=600,
    )  # fmt: skip
    assert (run.stdout, run.stderr) == ("2\n", "")


def test_the_path_in_a_message_is_the_users(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("t.sav").write_bytes(b"no such file at all")
    with pytest.raises(at.AnnotuneError, match=r"^t\.sav cannot be read as sav: "):
        read_table("t.sav")


def test_no_room_for_the_answer_is_a_sentence(sav, tmp_path, monkeypatch):
    monkeypatch.setattr(child, "_limit_memory", lambda: None)
    monkeypatch.chdir(tmp_path)  # and back again
    place = {"path": str(sav), "strings": [], "encoding": None, "place": "", "folder": str(tmp_path / "none")}
    answer = child._answer(place)
    assert answer["what"].startswith(
        f"{sav} was read, and could not be handed over in {tmp_path / 'none'}: No such file"
    )


def test_threads_take_turns(sav, tmp_path):
    frames = [pl.DataFrame({"n": [n]}) for n in range(8)]
    for n, frame in enumerate(frames):
        frame.write_excel(tmp_path / f"{n}.xlsx")
    read_frames = {}
    threads = [
        threading.Thread(target=lambda n=n: read_frames.update({n: read_table(tmp_path / f"{n}.xlsx").frame}))
        for n in range(8)
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert all(read_frames[n].equals(frame) for n, frame in enumerate(frames))


def test_an_interrupted_read_gives_no_other_file_its_answer(sav, tmp_path, monkeypatch):
    FRAME.head(1).write_excel(tmp_path / "t.xlsx")
    read_table(sav)

    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(isolation._Child, "_line", interrupted)
    with pytest.raises(KeyboardInterrupt):
        read_table(tmp_path / "t.xlsx")
    monkeypatch.undo()
    assert read_table(sav).frame.height == 2


def test_inside_another_program_pythons_own_interpreter_is_taken(monkeypatch):
    """Where Python is embedded, `sys.executable` may be R's."""
    own = isolation.interpreter()
    assert Path(own).samefile(sys.executable)
    for executable in ("/usr/lib/R/bin/exec/R", "", None):
        monkeypatch.setattr(sys, "executable", executable)
        assert Path(isolation.interpreter()).stem.startswith("python")
        assert Path(isolation.interpreter()).samefile(own)


def test_where_no_process_can_be_started_the_file_is_read_and_that_is_told(sav, monkeypatch):
    monkeypatch.setattr(isolation, "_kept", isolation._Kept())
    monkeypatch.setattr(isolation, "_interpreters", lambda: iter(()))
    table = read_table(sav)
    assert table.frame["topic"].to_list() == ["Tax", "Health"]
    assert "t.sav was read without the protection of a process of its own: there is no Python in" in table.notes[-1]


def test_the_process_imports_little():
    code = (
        "import sys, annotune.tables.child\n"
        "print({'torch', 'transformers', 'scipy', 'sklearn', 'pandas', 'matplotlib'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


# --- what unpacks without end ----------------------------------------------------------------------


@pytest.fixture
def little_memory(monkeypatch):
    for module in (memory, "annotune.tables.unpacking", "annotune.tables.excel", "annotune.tables.excel_extent"):
        where = module if isinstance(module, str) else module.__name__
        monkeypatch.setattr(f"{where}.free_memory", lambda: 30_000_000)


@pytest.mark.parametrize("name", ["t.csv.gz", "t.jsonl.gz", "t.json.gz", "t.tsv.gz"])
def test_packed_text_is_unpacked_up_to_what_the_memory_holds(tmp_path, little_memory, name):
    (tmp_path / name).write_bytes(gzip.compress(b"[{" + b" " * 20_000_000))
    with pytest.raises(at.AnnotuneError, match=rf"{name} holds more than \d+\.\d MB, and the memory"):
        read_table(tmp_path / name)


@pytest.mark.skipif(sys.platform != "linux", reason="only there is the most memory of a process known")
def test_a_packed_csv_takes_little_more_than_twice_its_text(tmp_path):
    """The text, and the frame that is made of it: on their own code, six times as much was taken."""
    row = b"The committee asked the minister about hospitals. " * 20 + b"\n"
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"text\n" + row * 100_000, compresslevel=1))
    code = (
        "import resource, sys; from annotune.tables import read_table; from pathlib import Path\n"
        "most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "Path('s.csv').write_text('text\\nx\\n'); read_table('s.csv'); before = most()\n"
        "read_table(sys.argv[1]); print(most() - before)"
    )
    run = subprocess.run([sys.executable, "-c", code, "t.csv.gz"], capture_output=True, text=True, cwd=tmp_path)
    assert int(run.stdout) < 2.3 * 100_000 * len(row), run.stderr


def test_a_small_rds_that_stands_for_many_numbers_is_refused(tmp_path, monkeypatch):
    """R keeps 1:n as n; this one is made by hand, as R itself would not write it without making it."""
    state = b"\x00\x00\x02\x0e" + struct.pack(">i", 3) + struct.pack(">ddd", 1e12, 1, 1)
    sequence = struct.pack(">i", 238) + _pairlist("compact_realseq") + state[:4].replace(b"\x02", b"\x00") + state[4:]
    sequence += struct.pack(">i", 254)
    names = struct.pack(">iiii", 16, 1, 9 | 64 << 12, 1) + b"x"
    kinds = struct.pack(">iiii", 16, 1, 9 | 64 << 12, 10) + b"data.frame"
    attributes = b"".join(
        struct.pack(">iiii", 2 | 1024, 1, 9 | 64 << 12, len(name)) + name + value
        for name, value in ((b"names", names), (b"class", kinds))
    )
    frame = struct.pack(">ii", 19 | 256 | 512, 1) + sequence + attributes + struct.pack(">i", 254)
    (tmp_path / "t.rds").write_bytes(b"X\n" + struct.pack(">iii", 2, 0x40202, 0x20300) + frame)
    with pytest.raises(at.AnnotuneError, match=r"t\.rds takes more memory than there is"):
        read_table(tmp_path / "t.rds")


def _pairlist(name):
    symbol = struct.pack(">iii", 1, 9 | 64 << 12, len(name)) + name.encode()
    return struct.pack(">i", 2) + symbol + struct.pack(">i", 254)


# --- Excel: how far a sheet reaches ----------------------------------------------------------------


@pytest.fixture
def sheet(tmp_path):
    """A workbook of two rows and some more cells."""

    def written(more):
        book = xlsxwriter.Workbook(path := tmp_path / "t.xlsx")
        cells = book.add_worksheet()
        for row, (unit, text) in enumerate([("unit_id", "text"), ("a", "x"), ("b", "y")]):
            cells.write_row(row, 0, [unit, text])
        for (row, column), value in more.items():
            cells.write(row, column, value)
        book.close()
        return path

    return written


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({(1_048_575, 16_383): "z"}, "XFD1048576"),
        ({(1, 16_383): "z"}, "XFD2"),
        ({(1_048_575, 0): "z", (1, 700): "q"}, "ZY2, A1048576"),
    ],
)
def test_a_stray_cell_is_cut_off_and_told(sheet, more, names):
    begin = time.monotonic()
    table = read_table(sheet(more))
    assert table.frame.rows() == [("a", "x"), ("b", "y")]
    cells = "1 cell" if len(more) == 1 else f"{len(more)} cells"
    assert [note for note in table.notes if f"{cells} far from the table ({names}) left out." in note]
    assert time.monotonic() - begin < 60  # on a busy machine; all cells would take hours


def test_a_sheet_that_is_nearly_empty_is_a_sentence(sheet):
    far = {(step * 80_000, column): step for step in range(1, 13) for column in range(0, 1_000, 90)}
    with pytest.raises(
        at.AnnotuneError, match=r"t\.xlsx reaches from A1 to .*: [\d,]+ cells, of which \d+ have a value"
    ):
        read_table(sheet(far))


def test_a_second_block_of_rows_is_no_stray_cell(sheet):
    """A gap alone is no reason to leave rows out."""
    path = sheet({(row, column): "v" for row in range(2_000, 2_040) for column in range(2)})
    table = read_table(path)
    assert table.frame["unit_id"].count() == 42
    assert not any("far from" in note for note in table.notes)


# --- YAML ------------------------------------------------------------------------------------------


def test_lines_of_aliases_are_refused_before_they_unfold(tmp_path):
    """447 bytes stand for 9 ** 9 words."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in itertools.pairwise("abcdefghij")]
    (tmp_path / "c.yaml").write_text("\n".join(lines))
    begin = time.process_time()
    with pytest.raises(at.AnnotuneError, match=r"c\.yaml, line 2: the alias \*a stands for what is elsewhere"):
        at.read_codebook(tmp_path / "c.yaml")
    assert time.process_time() - begin < 5


def test_deep_blocks_and_many_values_are_refused(tmp_path, monkeypatch):
    (tmp_path / "c.yaml").write_text("a: " + "[" * 100_000)
    with pytest.raises(at.AnnotuneError, match=r"c\.yaml, line 1: more than 50 blocks"):
        at.read_codebook(tmp_path / "c.yaml")
    monkeypatch.setattr("annotune.data.yaml_file.MOST", 5)
    (tmp_path / "c.yaml").write_text("a:\n- 1\n- 2\n- 3\n")
    with pytest.raises(at.AnnotuneError, match=r"c\.yaml, line 4: the file holds more than 5 values"):
        at.read_codebook(tmp_path / "c.yaml")


def test_a_long_codebook_takes_seconds(tmp_path):
    rows = (f"  - {{code: {i}, name: label {i}, definition: what it is}}\n" for i in range(20_000))
    (tmp_path / "c.yaml").write_text("variables:\n- name: v\n  labels:\n" + "".join(rows))
    begin = time.process_time()
    assert len(at.read_codebook(tmp_path / "c.yaml").variable().labels) == 20_000
    assert time.process_time() - begin < 5


# --- half a character in JSON ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
def test_half_a_character_is_told(tmp_path, name):
    rows = [r'{"unit_id": "a", "text": "\ud83d\ude00"}', r'{"unit_id": "b", "text": "x\uD83D \\ud83d \ude00"}']
    text = "\n".join(rows) if name == "t.jsonl" else "[" + ",\n".join(rows) + "]"
    (tmp_path / name).write_text(text)
    table = read_table(tmp_path / name)
    assert table.frame["text"].to_list() == ["😀", "x� \\ud83d �"]
    assert table.notes == (f"{name}, line 2: \\uD83D is half a character, and is read as '�' (2 in all).",)


def test_days_beyond_the_years_are_missing_and_told_in_parquet_too(tmp_path):
    """Neither Python nor R has such days, and a frame with one breaks off when its cells are asked for."""
    days = pl.Series([18_000, 2_000_000_000], dtype=pl.Int32).cast(pl.Date)
    times = pl.Series([0, 2**62]).cast(pl.Datetime("us", "UTC"))
    pl.DataFrame({"day": days, "time": times, "fine": [1, 2]}).write_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert [row[:2] == (None, None) for row in table.frame.rows()] == [False, True]
    assert table.frame.schema["time"] == pl.Datetime("us", "UTC")
    assert table.notes == ("t.parquet, 'day', 'time': 1 cell is missing: infinite, or not of the years 1 to 9999.",)


def test_a_long_word_takes_no_time_without_end(tmp_path):
    """It was looked through from each of its letters on, to find one beyond ASCII."""
    (tmp_path / "t.csv").write_bytes(b"id,text\n\xe9t\xe9," + b"x" * 100_000 + b"\n")
    begin = time.process_time()
    assert read_table(tmp_path / "t.csv").frame["id"].to_list() == ["été"]
    assert time.process_time() - begin < 5
