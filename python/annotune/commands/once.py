"""Commands whose options are given once: of one that is given twice, the parser keeps the last without a word."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperOption

from annotune.errors import AnnotuneError


class Once(TyperCommand):
    """A verb that refuses an option of one value that is there twice."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options, after a look at how often each is there."""
        *_, options = self.make_parser(ctx).parse_args(args=list(args))
        singles = [option for option in options if isinstance(option, TyperOption) and not option.multiple]
        for place, option in enumerate(singles):
            if option in singles[:place] and not option.is_flag:
                what = f"{option.opts[0]} is there twice, and all but the last would be lost."
                raise AnnotuneError(what, "Give it once, several values as a,b where --help says so.")
        return super().parse_args(ctx, args)
