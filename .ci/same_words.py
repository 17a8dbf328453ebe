"""Do two folders hold the same vignettes? `same_words.py KEPT AGAIN`: words exactly, numbers nearly.

Another processor rounds otherwise, and a model's name is made of its last digits.
"""

import re
import sys
from math import isclose
from pathlib import Path

NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*\.?\d*(?:e[+-]?\d+)?")
NAME = re.compile(r"minilm-[0-9a-f]{4}")
NEARLY = {"rel_tol": 0.05, "abs_tol": 0.02}


def parts(text: str) -> tuple[list[str], list[float]]:
    """The words between numbers, with single spaces, and the numbers."""
    text = NAME.sub("minilm-....", text)
    words = [" ".join(words.split()) for words in NUMBER.split(text)]
    return words, [float(number.replace(",", "")) for number in NUMBER.findall(text)]


def difference(kept: str, again: str) -> str | None:
    (words, numbers), (other_words, others) = parts(kept), parts(again)
    for one, other in zip(words, other_words, strict=False):
        if one != other:
            return f"kept {one[-100:]!r}, now {other[-100:]!r}"
    for place, (one, other) in enumerate(zip(numbers, others, strict=False)):
        if not isclose(one, other, **NEARLY):
            return f"after {words[place][-60:]!r}: kept {one:g}, now {other:g}"
    return None if len(numbers) == len(others) else "one of them is longer"


def main(kept: Path, again: Path) -> int:
    names = sorted({path.name for folder in (kept, again) for path in folder.glob("*.Rmd")})
    failed = 0
    for name in names:
        if not ((kept / name).exists() and (again / name).exists()):
            fault = "it is not in both"
        else:
            fault = difference((kept / name).read_text("utf-8"), (again / name).read_text("utf-8"))
        print(f"{name}: {fault or 'current'}")
        failed += fault is not None
    return int(failed > 0 or not names)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
