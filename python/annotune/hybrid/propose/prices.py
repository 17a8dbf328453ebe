"""What a million tokens cost: a table with a date, which `price=` overrules.

`prices.csv` has the usual price per million tokens in US dollars, of chat models, without discounts; it was taken from
genai-prices 0.2.3 (MIT licence, https://github.com/pydantic/genai-prices).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from annotune.errors import AnnotuneError
from annotune.hybrid.propose.privacy import is_loopback

AS_OF = "November 2026"
MILLION = 1_000_000
IN_BATCHES = {"api.openai.com": 0.5, "api.groq.com": 0.5}  # the share of the usual price that a batch costs
DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|latest)$")


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens read and written, and where that is known from."""

    read: float
    written: float
    source: str

    def of(self, tokens_in: float, tokens_out: float) -> float:
        """What so many tokens cost.

        >>> Price(0.25, 2.0, "").of(1_000_000, 10_000)
        0.27
        """
        return (tokens_in * self.read + tokens_out * self.written) / MILLION


def find_price(host: str, model: str, price: Sequence[float] | None = None, batch: bool = False) -> Price | None:
    """The price of a model, None where it is not known; what runs on this machine costs nothing.

    >>> find_price("localhost", "any").read, find_price("example.org", "any")
    (0.0, None)
    >>> find_price("api.openai.com", "gpt-5-mini-2025-08-07").written
    2.0

    Raises
    ------
    AnnotuneError
        Where `price` is not two amounts.
    """
    share = IN_BATCHES.get(host, 1.0) if batch else 1.0
    halved = f", {share:.0%} of it in a batch" if share < 1 else ""
    if price is not None:
        if len(price) != 2 or not all(0 <= amount < 1e6 for amount in price):
            what = "price= is not two amounts: dollars per million tokens that are read, and that are written."
            raise AnnotuneError(what, "Such as 0.25 and 2.")
        return Price(float(price[0]) * share, float(price[1]) * share, f"price={price[0]:g}, {price[1]:g}{halved}")
    if is_loopback(host) or not host:
        return Price(0.0, 0.0, "this machine")
    amounts = _table().get((host, model)) or _table().get((host, DATED.sub("", model)))
    if amounts is None:
        return None
    return Price(amounts[0] * share, amounts[1] * share, f"table of {AS_OF}{halved}")


@cache
def _table() -> dict[tuple[str, str], tuple[float, float]]:
    with Path(__file__).with_name("prices.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["host"], row["model"]): (float(row["input"]), float(row["output"])) for row in rows}


def dollars(amount: float) -> str:
    """An amount with as many digits as it takes.

    >>> dollars(12.3456), dollars(0.0123)
    ('12.35 dollars', '0.0123 dollars')
    """
    return f"{amount:,.2f} dollars" if amount >= 1 or amount == 0 else f"{amount:.4f} dollars"
