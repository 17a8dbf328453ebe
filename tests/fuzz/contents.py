"""Bundles whose list is right and whose contents are not: replicates them for a while, and says which end in a fault.

`python tests/fuzz/contents.py --seconds 600`: of a small study's bundle, with texts and without, one file is changed at
a time, and the list gets its new fingerprint, as whoever wants to mislead would do it. `replicate`, `why` and `diff`
have to end in a result or in one sentence. Bundles that are found lie in `build/fuzz`.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fuzz import LONGEST
from mutations import _changed

import annotune as at
from annotune.replication.archive import unpack, write_bundle

TEXTS = ("all", "none")


def sound_bundles(folder):
    """The bundles of a small study, unpacked: of each its folder, and what its list says about it."""
    study = at.demo(folder / "study", n=60, n_coded=40).study
    study.write_text(study.read_text().replace("seed: 1", "seed: 1, method: probe, folds: 2"))
    at.run(study)
    for texts in TEXTS:
        bundle = at.bundle(study, folder / f"{texts}.zip", texts=texts)
        (folder / texts).mkdir()
        yield folder / texts, unpack(bundle, folder / texts).about


def broken(sound, about, number, folder):
    """A bundle with one file changed, and that file's name."""
    dice = random.Random(number)
    copy, target = folder / "content", folder / "broken.zip"
    shutil.rmtree(copy, ignore_errors=True)
    target.unlink(missing_ok=True)
    shutil.copytree(sound, copy)
    files = sorted(path for path in copy.rglob("*") if path.is_file() and path.suffix not in (".whl", ".safetensors"))
    chosen = dice.choice(files)
    chosen.write_bytes(_changed(chosen.read_bytes(), dice))
    return write_bundle(copy, target, about), chosen.relative_to(copy).as_posix()


def end_of(call):
    """How a call ends: result, sentence, or what is wrong."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            str(call())
    except at.AnnotuneError as error:
        return "sentence" if len(str(error)) <= LONGEST and "Traceback" not in str(error) else f"no sentence: {error}"
    except Exception as error:
        return f"traceback: {type(error).__name__}: {error}"
    return "result"


def main():
    """Fuzz the contents of bundles, and exit with 1 if something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--first", type=int, default=0, help="the number of the first broken bundle")
    options = parser.parse_args()
    kept, ends, faults = Path("build/fuzz"), Counter(), []
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        bundles, stop = list(sound_bundles(Path(name))), time.monotonic() + options.seconds
        for number in count(options.first):
            if time.monotonic() > stop:
                break
            path, changed = broken(*bundles[number % len(bundles)], number, Path(name))
            sound = Path(name) / f"{TEXTS[number % len(bundles)]}.zip"
            calls = {
                "replicate": lambda path=path: at.replicate(path),
                "why": lambda path=path: at.why(path),
                "diff": lambda path=path, sound=sound: at.diff(path, sound),
            }
            for verb, call in calls.items():
                end = end_of(call)
                ends[f"{verb}: {end.partition(':')[0]}"] += 1
                if end not in ("result", "sentence"):
                    shutil.copy(path, kept / f"contents-{number}.bundle.zip")
                    faults.append(f"{number} {changed} {verb}: {end[:200]}")
                    print(faults[-1], flush=True)
    print(f"{sum(ends.values()) // len(calls):,} bundles;", ", ".join(f"{end} {n:,}" for end, n in ends.most_common()))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
