"""Sound files are read, files that were found are read in a sentence, and each reader is fuzzed for a few seconds."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fuzz import fault, fuzz
from seeds import seeds

SOUND = seeds()
CASES = sorted((Path(__file__).parent / "cases").iterdir())
SECONDS = 3.0


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
    ends, faults = fuzz(suffix, SOUND[suffix], SECONDS, tmp_path)
    assert not faults
    assert ends.total() > 5
