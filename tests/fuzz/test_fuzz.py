"""Sound files are read, files that were found are read in a sentence, and so are hundreds of broken ones per reader."""

import datetime as dt
import io
import sys
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fuzz import fault, fuzz
from mutations import UNPACKED
from seeds import seeds

SOUND = seeds()
CASES = sorted((Path(__file__).parent / "cases").iterdir())
FILES, QUICK_FILES = 200, 500  # per reader; those that start no other process are quick
QUICK = ("csv.gz", "json", "jsonl", "yaml", "study.yaml", "qdc", "bundle.zip")


def path_of(folder, suffix):
    return folder / (suffix if suffix == "study.yaml" else f"t.{suffix}")


@pytest.mark.parametrize("suffix", SOUND)
def test_a_sound_file_is_read(suffix, tmp_path):
    """Else the broken ones would say nothing."""
    path_of(tmp_path, suffix).write_bytes(SOUND[suffix])
    assert fault(path_of(tmp_path, suffix)) == ("table", "")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_was_found_is_a_table_or_a_sentence(case, tmp_path):
    suffix = case.name.partition(".")[2]
    path_of(tmp_path, suffix).write_bytes(case.read_bytes())
    end, what = fault(path_of(tmp_path, suffix))
    assert not what
    assert end in ("sentence", "broke off", "out of memory", "table")


@pytest.mark.parametrize("suffix", SOUND)
def test_broken_files_are_a_table_or_a_sentence(suffix, tmp_path):
    files = QUICK_FILES if suffix in QUICK else FILES
    ends, faults = fuzz(suffix, SOUND[suffix], range(files), tmp_path)
    assert not faults
    assert ends.total() == files
    assert ends["table"] > 0 < ends["sentence"]  # some changes are harmless, and some are not


def test_sound_files_do_not_say_when_they_were_made():
    """Else another day would break other places of them, and files would be read that nobody has read before."""
    today = [dt.date.today().strftime(form).encode() for form in ("%d %b %Y", "%d %b %y", "%Y%m%d", "%Y-%m-%d")]
    for suffix, sound in SOUND.items():
        packed = zipfile.ZipFile(io.BytesIO(sound)) if suffix in UNPACKED else None
        contents = [packed.read(name) for name in packed.namelist()] if packed else [sound]
        assert not [day for day in today for content in contents if day in content]
    assert seeds() == SOUND
