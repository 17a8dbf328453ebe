"""Reading tables of any common format as polars frames with their value labels."""

from annotune.tables.column_types import ALL_COLUMNS
from annotune.tables.read import FORMATS, read_table
from annotune.tables.table import Table

__all__ = ["ALL_COLUMNS", "FORMATS", "Table", "read_table"]
