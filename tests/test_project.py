"""What tools read at the repository's root agrees with its source."""

from __future__ import annotations

import hashlib
import html
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_root_description_is_the_packages_own() -> None:
    assert (ROOT / "DESCRIPTION").read_bytes() == (ROOT / "r-package" / "DESCRIPTION").read_bytes()


def test_r_told_to_read_the_root_says_where_the_package_is() -> None:
    read = f"parseNamespaceFile('{ROOT.name}', '{ROOT.parent.as_posix()}', mustExist = FALSE)"
    done = subprocess.run(["Rscript", "-e", read], capture_output=True, text=True)
    assert done.returncode != 0
    assert "subdir = 'r-package'" in done.stderr


def test_the_vignettes_are_made_of_their_sources() -> None:
    for source in (ROOT / "vignettes").glob("*.Rmd.orig"):
        made = (ROOT / "r-package" / "vignettes" / source.stem).read_text("utf-8")
        assert hashlib.md5(source.read_bytes()).hexdigest() in made, f"{source.name} has changed: make vignettes."


def test_the_package_that_is_installed_from_its_folder_has_the_vignettes() -> None:
    package = ROOT / "r-package"
    pages = package / "inst" / "doc"
    assert (package / "build" / "vignette.rds").exists()  # the list of them
    for source in (package / "vignettes").glob("*.Rmd"):
        assert (pages / source.name).read_bytes() == source.read_bytes(), f"{source.name} has changed: make vignettes."
        page = (pages / source.with_suffix(".html").name).read_text("utf-8")
        shown = {" ".join(html.unescape(line).split()) for line in re.sub(r"<[^>]*>", "", page).splitlines()}
        results = {" ".join(line.split()) for line in source.read_text("utf-8").splitlines() if line.startswith("#> ")}
        assert results <= shown, f"{source.stem}.html has other results: make vignettes."
