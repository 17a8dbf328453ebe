"""A small sound file of each format that is read, the same every time, from which broken ones are made."""

import datetime as dt
import gzip
import io
import json
import re
import zipfile
from pathlib import Path

import polars as pl
import pyreadstat
import statsmodels
import xlsxwriter

FRAME = pl.DataFrame(
    {
        "unit_id": ["a1", "0072", "c", "d"],
        "text": ["Une école, “neuve”", 'He said: "no",\nthen left', "x" * 300, None],
        "topic": [1.0, 3.0, 3.0, None],
        "share": [0.5, -1e300, None, 3.25],
        "day": [dt.date(2020, 2, 29), dt.date(1959, 1, 1), None, dt.date(2030, 12, 31)],
    }
)
LABELS = {"topic": {1.0: "Economy", 3.0: "Health, ünd so"}}
# When a file was made, as the library writes it, and what stands in its place.
STAMPS = {
    "dta": (rb"[ \d]\d \w{3} \d{4} \d\d:\d\d", b"29 Feb 2020 12:00"),
    "sav": (rb"[ \d]\d \w{3} \d{4}:\d\d:\d\d", b"29 Feb 2012:00:00"),
    "zsav": (rb"[ \d]\d \w{3} \d{4}:\d\d:\d\d", b"29 Feb 2012:00:00"),
    "por": (rb"8/\d{8}6/\d{3}\r\n\d{3}", b"8/202002296/120\r\n000"),
}
CODEBOOK = """name: Questions
variables:
  - name: topic
    kind: nominal
    instruction: "What is it: about?"
    labels:
      - {code: 1, name: Economy, definition: "Growth, and the like", examples: [a, "b"]}
      - code: 2
        name: Trade
        definition: >-
          Across
          borders
      - {code: 3, name: Health, parent: 1}
"""
STUDY = """codebook: codebook.yaml
corpus: {path: questions.csv, unit_id: id, text: text, covariates: [party, year]}
codings: [anna.csv, ben.csv]
gold: {rule: majority}
tune: {variable: topic, seed: 1}
write: [results.dta, results.csv]
"""
QDC = """<?xml version="1.0" encoding="utf-8"?>
<CodeBook xmlns="urn:QDA-XML:codebook:1.0" origin="x"><Codes>
<Code guid="1" name="Topic" isCodable="false"><Code guid="2" name="Health" isCodable="true"><Description>d</Description>
</Code></Code></Codes></CodeBook>
"""
ODS_KIND = b"application/vnd.oasis.opendocument.spreadsheet"
MANIFEST = b'<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
WORD = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
NUMBER = (
    '<table:table-cell table:number-columns-repeated="2" office:value-type="float" office:value="3">'
    "<text:p>3</text:p></table:table-cell>"
)
ODS = f"""<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 office:version="1.2"><office:body><office:spreadsheet><table:table table:name="S">
<table:table-row>{"".join(map(WORD.format, ("unit_id", "topic", "code")))}</table:table-row>
<table:table-row table:number-rows-repeated="2">{WORD.format("7")}{NUMBER}</table:table-row>
</table:table></office:spreadsheet></office:body></office:document-content>"""


def seeds() -> dict[str, bytes]:
    """For each format, by its suffix, the bytes of a sound file; a study's is called `study.yaml`."""
    csv = FRAME.write_csv().encode()
    rows = FRAME.with_columns(pl.col("day").cast(pl.String)).to_dicts()
    return {
        "csv": csv,
        "csv.gz": gzip.compress(csv, mtime=0),
        "tsv": FRAME.write_csv(separator="\t").encode("cp1252"),
        "tab": b'id\ttext\n1\t"the \\"new\\" budget"\n2\tx\n',
        "json": json.dumps(rows).encode(),
        "jsonl": b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows),
        "parquet": _written(lambda file: FRAME.write_parquet(file, compression="uncompressed")),
        "xlsx": _xlsx(),
        "ods": _zip({"mimetype": ODS_KIND, "content.xml": ODS.encode(), "META-INF/manifest.xml": MANIFEST}),
        "xls": next(Path(statsmodels.__file__).parent.rglob("test_spec_blocks.xls")).read_bytes(),
        "rds": _rds(),
        "yaml": CODEBOOK.encode(),
        "study.yaml": STUDY.encode(),
        "qdc": QDC.encode(),
        "bundle.zip": _bundle(),
        "annotune": _store(),
        **_statistical(),
    }


def _written(write) -> bytes:
    write(buffer := io.BytesIO())
    return buffer.getvalue()


def _xlsx() -> bytes:
    book = xlsxwriter.Workbook(buffer := io.BytesIO(), {"in_memory": True})
    book.set_properties({"created": dt.datetime(2020, 2, 29)})
    sheet, zeros, day = (
        book.add_worksheet("Data"),
        *(book.add_format({"num_format": f}) for f in ("00000", "yyyy-mm-dd")),
    )
    sheet.write_row(0, 0, ["unit_id", "text", "code", "day", "v"])
    sheet.write_row(1, 0, ["a1", "Une école", 72, 43890, 1.5])
    sheet.write(2, 2, 7, zeros)
    sheet.write(2, 3, 43891, day)
    sheet.write(2, 4, "NA")
    sheet.write_formula(3, 4, "=1/0", None, "#DIV/0!")
    book.close()
    return buffer.getvalue()


def _zip(parts: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(buffer := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def _bundle() -> bytes:
    import tempfile

    from annotune.replication.archive import write_bundle

    with tempfile.TemporaryDirectory() as folder:
        content = Path(folder) / "content"
        (content / "study").mkdir(parents=True)
        (content / "study" / "study.yaml").write_text(STUDY)
        (content / "study" / "codebook.yaml").write_text(CODEBOOK)
        about = {"annotune": "0.1.0", "texts": "all", "name": "Questions"}
        return write_bundle(content, Path(folder) / "t.zip", about).read_bytes()


def _store() -> bytes:
    """A wave, what people decided and what a model proposed; small pages, so that a change meets what is in them."""
    import sqlite3
    import tempfile
    from contextlib import closing

    from annotune.hybrid.store import open_store

    at = "2020-02-29T12:00:00.000+00:00"
    answer = (at, "a1", "topic", "anna", '["Health"]', "ok", 1, "open", 1)
    rows = {
        "codebooks VALUES (1, ?, 'anna', '', '{}')": [(at,)],
        "waves VALUES (1, ?, 'simple', 1, 4, 'f', '{\"coders\": [\"anna\"]}')": [(at,)],
        "draws VALUES (1, ?, 0.5, NULL, NULL)": [("a1",), ("c",)],
        "chances VALUES (1, ?, 0.5, NULL, NULL)": [("b",), ("d",)],
        "assignments VALUES (1, ?, 'anna', 1, 'open')": [("a1",)],
        "decisions (at, unit_id, variable, coder, labels, status, wave, arm, codebook) VALUES (?,?,?,?,?,?,?,?,?)": [
            answer,
            (*answer[:4], "[]", "none", *answer[6:]),
        ],
        "requests (key, question, at, unit_id, coder, provider, model, prompt, settings, answer, status) "
        "VALUES ('k', 'q', ?, 'a1', 'm@1', 'p', 'm', 'f', '{}', '{\"topic\": \"Health\"}', 'ok')": [(at,)],
        "proposals VALUES ('k', 'topic', 0, ?, 0.9, 'ok', 'nurses')": [("Health",)],
        "ledger (at, host, request, unit_id, characters) VALUES (?, 'localhost', 'k', 'a1', 9)": [(at,)],
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.annotune"
        with open_store(path) as store, store.change() as connection:
            for table, values in rows.items():
                connection.executemany(f"INSERT INTO {table}", values)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for statement in ("PRAGMA journal_mode = DELETE", "PRAGMA page_size = 512", "VACUUM"):
                connection.execute(statement)
        return path.read_bytes()


def _rds() -> bytes:
    import tempfile

    import annotune as at

    with tempfile.TemporaryDirectory() as folder:
        at.write(FRAME, Path(folder) / "t.rds")
        return gzip.decompress((Path(folder) / "t.rds").read_bytes())


def _statistical() -> dict[str, bytes]:
    import tempfile

    kinds = {"dta": pyreadstat.write_dta, "sav": pyreadstat.write_sav, "zsav": pyreadstat.write_sav}
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix, write in kinds.items():
            more = {"compress": True} if suffix == "zsav" else {}
            if suffix != "dta":
                more["missing_ranges"] = {"share": [{"lo": -9, "hi": -1}]}
            write(FRAME, path := Path(folder) / f"t.{suffix}", variable_value_labels=LABELS, **more)
            files[suffix] = path.read_bytes()
        pyreadstat.write_por(FRAME.drop("day", "text"), path := Path(folder) / "t.por")
        files["por"] = path.read_bytes()
    return {suffix: _of_one_time(content, *STAMPS[suffix]) for suffix, content in files.items()}


def _of_one_time(content: bytes, pattern: bytes, stamp: bytes) -> bytes:
    content, times = re.subn(pattern, stamp, content, count=1)
    assert times == 1
    return content
