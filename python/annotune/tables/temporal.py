"""Days, times, periods and durations of Stata and SPSS: both store numbers, and the display format says what they mean.

Stata's formats are in its manual [D] Datetime display formats, SPSS's in its Command Syntax Reference, Date and Time.
"""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import polars as pl

from annotune.errors import counted

DAY_MS = 86_400_000
STATA_DAY_0 = 3_653  # days from 1960-01-01, Stata's day 0, to 1970-01-01
SPSS_DAY_0 = 141_428  # days from 1582-10-14, SPSS's day 0, to 1970-01-01
FIRST_DAY, LAST_DAY = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31, in days from 1970-01-01
LONGEST = 2**63 / 1e6  # seconds: what polars' durations hold
EXACT_IN_SINGLE = 2**24  # from here on, numbers of single precision skip whole ones: today, 131 seconds at a time
PERIODS = {"w": "week", "m": "month", "q": "quarter", "h": "half-year"}
MONTHS_OF = {"month": 1, "quarter": 3, "half-year": 6}
_SPSS_KINDS = {
    **dict.fromkeys(("DATE", "ADATE", "EDATE", "SDATE", "JDATE", "QYR", "MOYR", "WKYR"), "day"),
    **dict.fromkeys(("DATETIME", "YMDHMS"), "moment"),
    "TIME": "clock",
    **dict.fromkeys(("DTIME", "MTIME"), "length"),
}
_SPSS_PERIODS = {"WKYR": "week", "MOYR": "month", "QYR": "quarter"}
_STATA = re.compile(r"%-?(?:d|t([dcCwmqhy]))(.*)", re.DOTALL)
_CLOCK_ONLY = re.compile(r"(?:[Hh]{2}|MM|mm|SS|ss|\.s{1,3}|a\.?m\.?|A\.?M\.?|[.,:/\\_+ -]|!.)+")
_PADDED = re.compile(r"%-?0(\d+)(?:\.0)?f|N(\d+)")
_LEAP_SECONDS = [  # days that ended with one (IERS Bulletin C); Stata's %tC counts them, %tc does not
    *("1972-06-30", "1972-12-31", "1973-12-31", "1974-12-31", "1975-12-31", "1976-12-31", "1977-12-31"),
    *("1978-12-31", "1979-12-31", "1981-06-30", "1982-06-30", "1983-06-30", "1985-06-30", "1987-12-31"),
    *("1989-12-31", "1990-12-31", "1992-06-30", "1993-06-30", "1994-06-30", "1995-12-31", "1997-06-30"),
    *("1998-12-31", "2005-12-31", "2008-12-31", "2012-06-30", "2015-06-30", "2016-12-31"),
]
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def kind_of(display_format: str) -> str | None:
    """What a display format makes of numbers: day, clock, moment, length, year or a period; nothing for other formats.

    >>> [kind_of(form) for form in ("%tdDD/NN/CCYY", "%tq", "%tcHH:MM", "%tc", "MOYR8", "DTIME12", "%9.0g", "F8.2")]
    ['day', 'quarter', 'clock', 'moment', 'month', 'length', None, None]
    """
    if not (stata := _STATA.fullmatch(display_format)):
        name = _spss_name(display_format)
        return _SPSS_PERIODS.get(name) or _SPSS_KINDS.get(name)
    letter, mask = stata[1] or "d", stata[2]
    if letter in "cC":
        return "clock" if _CLOCK_ONLY.fullmatch(mask) else "moment"
    return PERIODS.get(letter) or {"d": "day", "y": "year"}[letter]


def period(display_format: str) -> str | None:
    """The period that a display format shows: week, month, quarter or half-year.

    >>> period("%tq"), period("MOYR8"), period("%td")
    ('quarter', 'month', None)
    """
    kind = kind_of(display_format)
    return kind if kind in PERIODS.values() else None


def labels_of_format(display_format: str) -> dict[int, str]:
    """The words that SPSS shows for the numbers of weekdays and months.

    >>> labels_of_format("WKDAY9")[1], labels_of_format("F8.2")
    ('Sunday', {})
    """
    names = {"WKDAY": _WEEKDAYS, "MONTH": _MONTHS}.get(_spss_name(display_format), ())
    return dict(enumerate(names, start=1))


def converted(numbers: pl.Series, display_format: str, single: bool = False) -> tuple[pl.Series, list[str]]:
    """Days, times, times of day or durations in place of numbers, and what there is to tell about them.

    Weeks, months, quarters and half-years become their first days. `single`: the file has single precision.
    """
    kind = kind_of(display_format)
    if kind in (None, "year") or numbers.dtype == pl.String:
        return numbers, []
    sent = numbers.cast(pl.Float64)
    numbers = sent.set(~sent.is_finite(), None)
    stata = display_format.startswith("%")
    if stata and kind in PERIODS.values():
        cells = first_days(numbers, str(kind))
        notes = [f"{kind}s ({display_format}) are read as their first days"]
    elif kind == "length" or (kind == "clock" and not stata):
        cells, notes = clock_or_duration(numbers, clock=kind == "clock"), []
    elif kind in ("clock", "moment"):
        cells, notes = _moments(numbers, display_format, single) if stata else (moments(_spss_ms(numbers), "ms"), [])
    else:
        ms = (numbers - STATA_DAY_0) * DAY_MS if stata else _spss_ms(numbers)
        cells, notes = (days(ms / DAY_MS) if bool((ms % DAY_MS == 0).all()) else moments(ms, "ms")), []
    return cells, notes + notes_on_lost(sent, cells)


def notes_on_lost(before: pl.Series, after: pl.Series) -> list[str]:
    """What to tell of days and times that became missing, because they are infinite or beyond the years 1 to 9999."""
    lost = int((before.is_not_null() & after.is_null()).sum())
    return [f"{counted(lost, 'cell is', 'cells are')} missing: infinite, or not of the years 1 to 9999"] if lost else []


def _spss_ms(seconds: pl.Series) -> pl.Series:
    return (seconds * 1e3).round() - SPSS_DAY_0 * DAY_MS


def _moments(ms: pl.Series, display_format: str, single: bool) -> tuple[pl.Series, list[str]]:
    """Stata's milliseconds as times; as times of day where the format shows no day, and all are of day 0."""
    notes = []
    if re.match("%-?tC", display_format) and (with_leaps := _without_leap_seconds(ms)) is not None:
        ms = with_leaps
        notes.append("leap seconds (%tC) were taken out")
    if single and (ms.abs() > EXACT_IN_SINGLE).any():
        notes.append("times in single precision can be wrong by a minute; Stata needs doubles for them")
    of_day_0 = bool(ms.is_between(0, DAY_MS, closed="left").all())
    if kind_of(display_format) == "clock" and of_day_0:
        return clock_or_duration(ms / 1e3), notes
    return moments(ms.round() - STATA_DAY_0 * DAY_MS, "ms"), notes


def days(numbers: pl.Series) -> pl.Series:
    """Days since 1970-01-01 as dates; null where they are beyond the years 1 to 9999."""
    return numbers.set(~numbers.is_between(FIRST_DAY, LAST_DAY), None).floor().cast(pl.Int32).cast(pl.Date)


def moments(numbers: pl.Series, unit: Literal["ms", "us"]) -> pl.Series:
    """Milliseconds or microseconds since 1970 as times; null where they are beyond the years 1 to 9999."""
    per_day = DAY_MS * {"ms": 1, "us": 1_000}[unit]
    within = numbers.is_between(FIRST_DAY * per_day, (LAST_DAY + 1) * per_day, closed="left")
    return numbers.set(~within, None).round().cast(pl.Int64).cast(pl.Datetime(unit)).cast(pl.Datetime("us"))


def clock_or_duration(seconds: pl.Series, clock: bool = True) -> pl.Series:
    """Times of day where all seconds are of one day, else durations; without `clock`, always durations.

    >>> clock_or_duration(pl.Series([36_300.0])).to_list(), clock_or_duration(pl.Series([90_000.0])).to_list()
    ([datetime.time(10, 5)], [datetime.timedelta(days=1, seconds=3600)])
    """
    microseconds = (seconds.set(~(seconds.abs() < LONGEST), None) * 1e6).round().cast(pl.Int64)
    if clock and seconds.count() and bool(seconds.is_between(0, 86_400, closed="left").all()):
        return (microseconds * 1_000).cast(pl.Time)
    return microseconds.cast(pl.Duration("us"))


def first_days(numbers: pl.Series, period: str) -> pl.Series:
    """The first days of weeks, months, quarters or half-years that are counted from 1960.

    Stata's weeks begin on 1 January, and the 52nd has more days than the others.

    >>> first_days(pl.Series([710.0]), "month").to_list(), first_days(pl.Series([3069.0]), "week").to_list()
    ([datetime.date(2019, 3, 1)], [datetime.date(2019, 1, 8)])
    """
    whole = numbers.set(~numbers.is_between(-1959 * 52, 8040 * 52, closed="left"), None).floor().cast(pl.Int64)
    per_year = 52 if period == "week" else 12 // MONTHS_OF[period]
    place = whole % per_year
    year, month = whole // per_year + 1960, place * 0 + 1 if period == "week" else place * MONTHS_OF[period] + 1
    in_range = year.is_between(1, 9999)
    frame = pl.DataFrame({"y": year.set(~in_range, None), "m": month, "d": place * 7 * (period == "week")})
    day = pl.date(pl.col("y"), pl.col("m"), 1) + pl.duration(days=pl.col("d"))
    return frame.select(day.alias(numbers.name)).to_series()


def numbers_of_periods(cells: pl.Expr, period: str) -> pl.Expr:
    """The numbers of the periods that dates lie in, counted from 1960 as `first_days` reads them."""
    years = cells.dt.year().cast(pl.Int64) - 1960
    if period == "week":
        return years * 52 + ((cells.dt.ordinal_day().cast(pl.Int64) - 1) // 7).clip(upper_bound=51)
    months = MONTHS_OF[period]
    return years * (12 // months) + (cells.dt.month().cast(pl.Int64) - 1) // months


def are_first_days(cells: pl.Expr, period: str) -> pl.Expr:
    """Whether every date is the first day of its week (as Stata counts them), month, quarter or half-year."""
    if period == "week":
        ordinal = cells.dt.ordinal_day()
        return ((ordinal % 7 == 1) & (ordinal < 365)).all()
    return ((cells.dt.day() == 1) & ((cells.dt.month() - 1) % MONTHS_OF[period] == 0)).all()


def padded(numbers: pl.Series, display_format: str) -> pl.Series | None:
    """Whole numbers as the texts that a display format makes of them by putting zeros in front; None where it does not.

    >>> padded(pl.Series([71, 12345]), "%05.0f").to_list(), padded(pl.Series([71]), "%5.0f")
    (['00071', '12345'], None)
    """
    width = _PADDED.fullmatch(display_format)
    return None if width is None else with_zeros(numbers, int(width[1] or width[2]))


def with_zeros(numbers: pl.Series, width: int) -> pl.Series | None:
    """Whole numbers from 0 as texts of `width` digits; None where there are others, or none has a zero in front."""
    values = numbers.drop_nulls()
    if not numbers.dtype.is_numeric() or not len(values) or not ((values >= 0) & (values % 1 == 0)).all():
        return None
    words = numbers.cast(pl.Int64).cast(pl.String)
    return words.str.zfill(width) if (words.str.len_chars() < width).any() else None


def _without_leap_seconds(ms: pl.Series) -> pl.Series | None:
    """Stata's %tC without its leap seconds; None where there are none."""
    ends = np.array(_LEAP_SECONDS, "datetime64[D]").astype(int) + 1 + STATA_DAY_0
    with_leaps = ends * DAY_MS + np.arange(len(ends)) * 1_000  # where in %tC each of them begins
    seconds = pl.Series(np.searchsorted(with_leaps, ms.fill_null(0).to_numpy(), "right") * 1_000.0)
    return ms - seconds if seconds.sum() else None


def _spss_name(display_format: str) -> str:
    return display_format.upper().rstrip("0123456789.")
