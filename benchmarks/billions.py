"""What a billion and ten billion tweets take, on paper: hours, money and shards, on processors and on H100 cards.

    python benchmarks/billions.py            # print the table, and write it into docs/many-texts.md
    python benchmarks/billions.py --tokens 30 --core-hour 0.03 --gpu-hour 2    # print it for other tweets and prices

Rates of processors are measured: those that `benchmarks/bulk.py` wrote onto the page. A rate of a GPU is reckoned from
the maker's data sheet and a share of it that is assumed: benchmarks/gpu.py has not been run. Everything is linear in
texts: no text comes twice, nothing breaks off, and files are read as fast as texts are coded.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "many-texts.md"
BILLION, ROWS_PER_SHARD = 10**9, 100_000
TWEET = 45  # tokens
CORES = 2  # of the machine that processors' rates were measured on
TOKENIZED = 480_000  # tokens a second and core, by MiniLM's tokenizer, measured
H100 = 989e12  # operations a second in bfloat16, dense: NVIDIA's data sheet of the H100 SXM (1,979 with sparsity)
ASSUMED = (0.15, 0.4)  # of it; nothing of this was measured
GPU_CORES = 16  # beside a card, for tokenizing
CODEBOOK, TREE = 350, 60  # tokens that are read once, and those of all labels, read after each text
CORE_HOUR, GPU_HOUR = 0.045, 3.0  # dollars, about what clouds list on demand in 2026 (an H100: 2 to 4)
NODE_CORES, CARDS = 64, 8


@dataclass(frozen=True)
class Shape:
    """The weights of a network's layers, its width, its layers, and whether it reads the codebook's words as well."""

    weights: float
    width: int
    layers: int
    scored: bool = False

    def operations(self, tokens: float) -> float:
        """Of a text: 2 a weight and token, 4 a pair of tokens, width and layer."""
        own, before = tokens + (TREE if self.scored else 0), CODEBOOK if self.scored else 0
        return 2 * self.weights * own + 4 * self.width * self.layers * own * (own + before)


SHAPES = {
    "MiniLM": Shape(10.6e6, 384, 6),
    "BERT-base": Shape(85.1e6, 768, 12),
    "a 3B decoder, its codebook of 350 tokens shared": Shape(2.82e9, 3072, 28, scored=True),
}


@dataclass(frozen=True)
class Line:
    """Who codes, how many texts one of them codes a second, what an hour of one costs, and how many there are."""

    who: str
    rate: float
    price: float
    unit: str
    at_once: int

    def hours(self, n: int) -> float:
        """Of one of them, for n texts."""
        return n / self.rate / 3600

    def cells(self) -> list[str]:
        """Of the table, for one billion and for ten."""
        counts = (BILLION, 10 * BILLION)
        all_hours = [self.hours(n) for n in counts]
        return [
            self.who,
            f"{self.rate:,.0f}",
            f"{rounded(all_hours[0])} {self.unit}",
            *(rounded(hours / self.at_once) for hours in all_hours),
            *(rounded(hours * self.price) for hours in all_hours),
        ]


def rounded(value: float) -> str:
    """Two digits that count.

    >>> rounded(1316.2), rounded(0.5331), rounded(20.6)
    ('1,300', '0.53', '21')
    """
    if value >= 10:
        digits = len(str(int(value))) - 2
        return f"{round(value, -digits):,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def measured(page: str) -> dict[str, dict[int, float]]:
    """Texts a second by the way of computing and tokens a text, as the page has them of banking77."""
    rates: dict[str, dict[int, float]] = {}
    part = page.partition("<!-- bulk -->")[2].partition("<!-- end of bulk -->")[0]
    for block in part.split("banking77, ")[1:]:
        tokens = re.search(r"(\d+) tokens and", block)
        own = block.partition("uk_manifestos, ")[0]
        for way, rate in re.findall(r"^\| annotune ([\w-]+) \| ([\d,]+) \|", own, re.MULTILINE):
            assert tokens is not None
            rates.setdefault(way, {})[int(tokens[1])] = float(rate.replace(",", ""))
    return {way: by_tokens for way, by_tokens in rates.items() if len(by_tokens) > 1}


def processor(page: str) -> str:
    """What the page says that those rates were measured on."""
    return page.partition("<!-- bulk -->\n")[2].partition(", torch ")[0]


def rate_at(by_tokens: dict[int, float], tokens: float) -> float:
    """Texts a second of that many tokens: seconds grow evenly with tokens between the two that were measured."""
    (few, quick), (many, slow) = sorted(by_tokens.items())
    seconds = 1 / quick + (tokens - few) / (many - few) * (1 / slow - 1 / quick)
    return 1 / seconds


def lines(page: str, tokens: float, core_hour: float, gpu_hour: float) -> Iterator[Line]:
    """Processors as measured, the exact way and the fastest one; then cards, at both ends of what is assumed."""
    ways = measured(page)
    rates = {way: rate_at(by_tokens, tokens) / CORES for way, by_tokens in ways.items()}
    fastest = max(rates, key=lambda way: rates[way])
    for way in dict.fromkeys(["float32", fastest]):
        yield Line(f"MiniLM, {way}, a core (measured)", rates[way], core_hour, "core-hours", NODE_CORES)
    for name, shape in SHAPES.items():
        for share in ASSUMED:
            most = GPU_CORES * TOKENIZED / tokens
            reckoned = H100 * share / shape.operations(tokens)
            limit = ", limited by tokenizing" if reckoned > most else ""
            who = f"{name}, bfloat16, an H100 at {share:.0%} of its rate (not measured{limit})"
            yield Line(who, min(reckoned, most), gpu_hour, "GPU-hours", CARDS)


def section(page: str, tokens: float = TWEET, core_hour: float = CORE_HOUR, gpu_hour: float = GPU_HOUR) -> str:
    """The table, with what it rests on."""
    about = [
        f"Tweets of {tokens:g} tokens. Processors by `benchmarks/bulk.py` on {processor(page)},",
        f"between short texts and long ones. Tokenizing by {TOKENIZED:,} tokens a second and core, as measured, on",
        f"{GPU_CORES} cores beside a card.",
        "**Nothing was measured on a GPU**: an H100's rate is that of its data sheet (989 TFLOP/s in bfloat16), of",
        f"which {ASSUMED[0]:.0%} and {ASSUMED[1]:.0%} are assumed. A core costs {core_hour:g} dollars an hour and a",
        f"card {gpu_hour:g}, about what clouds list in 2026. A billion texts are",
        f"{BILLION // ROWS_PER_SHARD:,} shards of {ROWS_PER_SHARD:,}, which any number of jobs share.",
    ]
    heads = [
        "",
        "texts a second",
        "a billion",
        f"hours on {NODE_CORES} cores or {CARDS} cards",
        "ten billion, likewise",
        "dollars, a billion",
        "dollars, ten billion",
    ]
    rows = [f"| {' | '.join(line.cells())} |" for line in lines(page, tokens, core_hour, gpu_hour)]
    return "\n".join([*about, "", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *rows])


def main() -> None:
    """Print the section; as it is by default, put it into the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tokens", type=float, default=TWEET, help="a text")
    parser.add_argument("--core-hour", type=float, default=CORE_HOUR, help="dollars")
    parser.add_argument("--gpu-hour", type=float, default=GPU_HOUR, help="dollars")
    options = parser.parse_args()
    print(section(PAGE.read_text(encoding="utf-8"), options.tokens, options.core_hour, options.gpu_hour))
    if (options.tokens, options.core_hour, options.gpu_hour) == (TWEET, CORE_HOUR, GPU_HOUR):
        put_section()


def put_section() -> None:
    """Write the section anew, from the rates that the page has now."""
    page = PAGE.read_text(encoding="utf-8")
    head, _, rest = page.partition("<!-- billions -->\n")
    tail = rest.partition("<!-- end of billions -->")[2]
    text = f"{head}<!-- billions -->\n{section(page)}\n<!-- end of billions -->{tail}"
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
