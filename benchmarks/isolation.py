"""What it costs that files of foreign formats are read by a process of their own: a million rows, both ways.

    python benchmarks/isolation.py [--rows 1000000] [--times 3] [--formats dta sav xlsx parquet]

Each file is read in turn here and there, in sessions of their own. Printed are the shortest times, as other work makes
times longer and never shorter, by the clock and by the processors, of both processes together: on a busy machine the
latter alone can be compared. The ratio should be at most 1.15, and .1 seconds beside. The first reading of a session
has the loading of the libraries in it, and the start of the process.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pyreadstat

FORMATS, WAYS = ("dta", "sav", "xlsx", "parquet"), ("clock", "processors")
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
PARTS = {
    "[Content_Types].xml": """<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Override PartName="/xl/workbook.xml"
 ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>
<Override PartName="/xl/worksheets/sheet1.xml"
 ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>""",
    "_rels/.rels": """<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
 Target="xl/workbook.xml"/></Relationships>""",
    "xl/workbook.xml": f"""<workbook xmlns="{SHEET}"
 xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">
<sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>""",
    "xl/_rels/workbook.xml.rels": """<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"
 Target="worksheets/sheet1.xml"/></Relationships>""",
}
ONE = """
import json, os, sys, time
begin = time.perf_counter()
from pathlib import Path
from annotune.tables import isolation
from annotune.tables.read import read_here
way, file = {"here": read_here, "apart": isolation.read_isolated}[sys.argv[1]], Path(sys.argv[2])
spent, readings = 0.0, []
for _ in range(2):
    way(file, (), None)
    clock, times = time.perf_counter() - begin, os.times()
    processors = times.user + times.system + times.children_user + times.children_system
    if isolation._kept.child:
        import psutil
        of_child = psutil.Process(isolation._kept.child.process.pid).cpu_times()
        processors += of_child.user + of_child.system
    readings.append([clock, processors - spent])
    begin, spent = time.perf_counter(), processors
print(json.dumps(readings))
"""
HEAD = """
| format | reading | here: clock | here: processors | apart: clock | apart: processors | ratios | |
|---|---|---|---|---|---|---|---|"""


def frame(rows: int) -> pl.DataFrame:
    """Identifiers, short texts, codes and numbers, as a coded corpus has them."""
    dice = np.random.default_rng(1)
    return pl.DataFrame(
        {
            "unit_id": [f"q{number:08d}" for number in range(rows)],
            "title": [f"Question {number} on hospitals" for number in range(rows)],
            "topic": dice.integers(1, 20, rows).astype(float),
            "year": dice.integers(1990, 2025, rows).astype(float),
            "share": dice.random(rows),
        }
    )


def write(data: pl.DataFrame, folder: Path) -> None:
    """The frame in every format."""
    labels = {"topic": {float(code): f"Topic {code}" for code in range(1, 20)}}
    pyreadstat.write_dta(data, folder / "t.dta", variable_value_labels=labels)
    pyreadstat.write_sav(data, folder / "t.sav", variable_value_labels=labels)
    data.write_parquet(folder / "t.parquet")
    with zipfile.ZipFile(folder / "t.xlsx", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as book:
        for name, content in PARTS.items():
            book.writestr(name, content)
        with book.open("xl/worksheets/sheet1.xml", "w") as sheet:
            sheet.write(f'<worksheet xmlns="{SHEET}"><sheetData>'.encode())
            sheet.write(row(1, data.columns).encode())
            for part in data.with_row_index(offset=2).iter_slices(50_000):
                sheet.write("".join(row(cells[0], cells[1:]) for cells in part.iter_rows()).encode())
            sheet.write(b"</sheetData></worksheet>")


def row(number: int, cells: object) -> str:
    """A row of a sheet, with its texts in their cells."""
    kinds = (
        f'<c r="{letter}{number}" t="inlineStr"><is><t>{cell}</t></is></c>'
        if isinstance(cell, str)
        else f'<c r="{letter}{number}"><v>{cell}</v></c>'
        for letter, cell in zip("ABCDE", cells, strict=True)
    )
    return f'<row r="{number}">{"".join(kinds)}</row>'


def seconds(way: str, file: Path) -> np.ndarray:
    """How long the first and the second reading take in a new session, by the clock and by the processors, (2, 2)."""
    run = subprocess.run([sys.executable, "-c", ONE, way, str(file)], capture_output=True, text=True, check=True)
    return np.array(json.loads(run.stdout))


def line(suffix: str, reading: str, here: np.ndarray, apart: np.ndarray) -> str:
    """A line of the table, from the seconds by the clock and by the processors."""
    is_fine = apart <= 1.15 * here + 0.1
    cells = [f"{figure:.2f} s" for figure in (*here, *apart)]
    words = ["" if fine else f"{what}: more than 1.15 and .1 s" for what, fine in zip(WAYS, is_fine, strict=True)]
    ratios = " and ".join(f"{ratio:.2f}" for ratio in apart / here)
    return f"| .{suffix} | {reading} | {' | '.join(cells)} | {ratios} | {', '.join(filter(None, words))} |"


def main() -> None:
    """Write, read and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--formats", nargs="+", default=FORMATS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        write(frame(options.rows), Path(folder))
        print(f"{options.rows:,} rows, 5 columns, written in {time.perf_counter() - begin:.0f} s", HEAD, flush=True)
        for suffix in options.formats:
            file = Path(folder) / f"t.{suffix}"
            runs = [(seconds("here", file), seconds("apart", file)) for _ in range(options.times)]
            here, apart = np.min(runs, axis=0)
            for place, reading in enumerate(("first", "later")):
                print(line(suffix, reading, here[place], apart[place]), flush=True)


if __name__ == "__main__":
    main()
