"""The forecast for a billion tweets is the arithmetic that it says it is, and stands on the page as it is computed."""

import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TABLE = """<!-- bulk -->
A processor, 2 cores, torch 2.13.0; medians of 3 rounds.

banking77, short texts: 15 tokens and 0.30 GFLOP a text.

| | texts a second | times pipeline | matrix rate, GFLOP/s | of it | labels as float32 |
|---|---|---|---|---|---|
| transformers.pipeline | 300 | 1.0 | 240 | 0.40 | |
| annotune float32 | 500 | 1.7 | 240 | 0.80 | 1.0000 |
| annotune packed-bfloat16 | 2,000 | 6.6 | 1,450 | 0.60 | 0.9990 |

banking77, texts of 150 words: 215 tokens and 4.40 GFLOP a text.

| annotune float32 | 50 | 1.7 | 240 | 0.80 | 1.0000 |
| annotune packed-bfloat16 | 200 | 6.6 | 1,450 | 0.60 | 0.9990 |

uk_manifestos, short texts: 30 tokens and 0.60 GFLOP a text.

| annotune float32 | 7 | 1.7 | 240 | 0.80 | 1.0000 |
<!-- end of bulk -->"""


@pytest.fixture
def billions(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module("billions")
    del sys.modules["billions"]


def test_the_page_has_what_is_computed(billions):
    page = billions.PAGE.read_text(encoding="utf-8")
    inside = page.partition("<!-- billions -->\n")[2].partition("\n<!-- end of billions -->")[0]
    assert inside == billions.section(page)
    assert "Nothing was measured on a GPU" in inside


def test_measured_rates_of_the_page_are_taken(billions):
    assert billions.measured(TABLE) == {
        "float32": {15: 500.0, 215: 50.0},
        "packed-bfloat16": {15: 2000.0, 215: 200.0},
    }
    assert billions.processor(TABLE) == "A processor, 2 cores"


def test_seconds_grow_evenly_with_tokens(billions):
    by_tokens = {15: 500.0, 215: 50.0}  # 2 and 20 milliseconds
    assert [billions.rate_at(by_tokens, tokens) for tokens in (15, 215, 115)] == pytest.approx([500, 50, 1000 / 11])


def test_hours_money_and_what_limits_a_card(billions):
    lines = list(billions.lines(TABLE, 45, 0.05, 2.0))
    slow, quick = lines[:2]
    assert (slow.who, quick.who) == ("MiniLM, float32, a core (measured)", "MiniLM, packed-bfloat16, a core (measured)")
    rate = 1000 / (2 + 30 / 200 * 18) / billions.CORES
    assert (slow.rate, quick.rate) == pytest.approx((rate, 4 * rate))
    assert slow.hours(10**9) == pytest.approx(10**9 / rate / 3600)
    assert slow.cells()[5] == billions.rounded(0.05 * 10**9 / rate / 3600)
    cards = {line.who: line.rate for line in lines[2:]}
    most = billions.GPU_CORES * billions.TOKENIZED / 45
    assert max(cards.values()) == most
    assert [who for who, rate in cards.items() if rate == most] == [who for who in cards if "tokenizing" in who]
    operations = 2 * 85.1e6 * 45 + 4 * 768 * 12 * 45 * 45  # BERT-base: weights, and pairs of tokens
    assert 0.4 * 989e12 / operations in [pytest.approx(rate) for rate in cards.values()]


def test_a_decoder_reads_the_labels_words_too(billions):
    shape = billions.Shape(1e9, 1000, 10, scored=True)
    own = 45 + billions.TREE
    assert shape.operations(45) == 2e9 * own + 4 * 1000 * 10 * own * (own + billions.CODEBOOK)
