"""Is what `make demo` wrote what it should be? `check_demo.py FOLDER`, by the Python that ran it.

Every file is opened as its reader would open it, and says the same as the others; the effect that was simulated is in
the corrected interval, and not in the naive one.
"""

import hashlib
import json
import sys
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pyreadstat
import yaml

from annotune.data.codebook import read_codebook
from annotune.tables import read_table

TEXTS, CODED = 6000, 600


def check_record(folder: Path, study: dict) -> None:
    """All files that the study asks for are there, whole, with their fingerprints in the run's one record."""
    outputs = json.loads((folder / "study.record.json").read_text("utf-8"))["outputs"]
    digests = {output["file"]: output["sha256"] for output in outputs}
    for name in [*study["write"], *study["correct"]["write"], study["report"]]:
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert digests[name] == digest, f"{name} is not what the record says"
    for name in ("results.do", "results.R"):
        assert "Health" in (folder / name).read_text("utf-8"), f"{name} has no regression"


def check_tables(folder: Path) -> None:
    """Stata's, R's and the other files have the same rows, and each its value labels, in the codebook's order."""
    topic = read_codebook(folder / "codebook.yaml").variables[0]
    codes = {label.code: label.name for label in topic.labels}
    frame = pl.read_parquet(folder / "results.parquet")
    assert len(frame) == TEXTS
    assert frame["topic"].null_count() == 0
    assert frame["topic_gold"].is_not_null().sum() == frame["topic_coded"].sum() == CODED
    rows = frame.select("unit_id", pl.col("topic").cast(pl.String))

    stata, about = pyreadstat.read_dta(str(folder / "results.dta"))
    labels = about.variable_value_labels["topic"]  # with words for .a to .d as well
    assert codes == {code: name for code, name in labels.items() if isinstance(code, int)}, f"results.dta: {labels}"
    stata = pl.DataFrame({"unit_id": list(stata["unit_id"]), "topic": [codes[int(code)] for code in stata["topic"]]})
    assert stata.equals(rows), "results.dta differs from results.parquet"

    r = read_table(folder / "results.rds").frame
    assert isinstance(r["topic"].dtype, pl.Enum), "topic is no factor in results.rds"
    assert r["topic"].dtype.categories.to_list() == list(codes.values()), "its levels are not in the codebook's order"
    assert r.select("unit_id", pl.col("topic").cast(pl.String)).equals(rows), "results.rds differs"
    assert pl.read_csv(folder / "results.csv").select("unit_id", "topic").equals(rows), "results.csv differs"


class Page(HTMLParser):
    """Counts elements, and whether they end where they should."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.counts: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if tag not in ("meta", "link", "br", "hr", "img", "input", "wbr"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"report.html: </{tag}> ends another element"


def check_report(folder: Path) -> None:
    """The page is whole, with its figures and tables, and runs nothing."""
    page = Page()
    page.feed((folder / "report.html").read_text("utf-8"))
    assert not page.open, f"report.html: {page.open} do not end"
    assert page.counts["svg"] >= 5, f"report.html has {page.counts.get('svg', 0)} figures"
    assert page.counts["table"] >= 5, f"report.html has {page.counts['table']} tables"
    assert "script" not in page.counts, "report.html runs scripts"


def check_effect(folder: Path) -> None:
    """What is true of all texts, because they were simulated, the corrected regression says, and the naive one not."""
    truth = pl.read_csv(folder / "questions.csv").join(pl.read_csv(folder / "truth.csv"), on="unit_id")
    shares = dict(truth.group_by("party").agg((pl.col("topic") == "Health").mean()).iter_rows())
    effect = shares["opposition"] - shares["government"]
    rows = pl.read_csv(folder / "regression.csv").filter(pl.col("term") == "party[opposition]")
    held = {row["method"]: row["conf_low"] <= effect <= row["conf_high"] for row in rows.to_dicts()}
    assert held["corrected"], f"the corrected interval misses {effect:.3f}"
    assert not held["naive"], f"the naive interval holds {effect:.3f}: there is nothing to correct"


def main(folder: Path) -> None:
    study = yaml.safe_load((folder / "study.yaml").read_text("utf-8"))
    check_record(folder, study)
    check_tables(folder)
    check_report(folder)
    check_effect(folder)
    print(f"{folder}: record, tables, report and effect are as they should be")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
