"""Files in: any table that a researcher may have, as a polars frame with its value labels."""

from annotune.tables.delimited import ALL_COLUMNS
from annotune.tables.read import FORMATS, Table, read_table

__all__ = ["ALL_COLUMNS", "FORMATS", "Table", "read_table"]
