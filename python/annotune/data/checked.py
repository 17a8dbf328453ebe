"""Tables are checked once, at the door: a frame that passed is neither checked nor complained of again."""

from __future__ import annotations

import weakref

import polars as pl


class Door:
    """The frames that passed one check, for as long as they live.

    A frame is known by itself and by its content: one that was changed in place since is a stranger.

    Examples
    --------
    >>> door, frame = Door(), pl.DataFrame({"n": [1, 2]})
    >>> door.knows(frame), door.admit(frame) is frame, door.knows(frame)
    (False, True, True)
    >>> frame[0, "n"] = 7
    >>> door.knows(frame), door.knows(frame.clone())
    (False, False)
    """

    def __init__(self) -> None:
        self._content: dict[int, pl.DataFrame] = {}

    def admit(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The same frame, known from now on."""
        self._content[id(frame)] = frame.clone()  # shares its memory
        weakref.finalize(frame, self._content.pop, id(frame), None).atexit = False
        return frame

    def knows(self, frame: object) -> bool:
        """Whether it passed, and is as it was."""
        content = self._content.get(id(frame))
        return content is not None and isinstance(frame, pl.DataFrame) and frame.equals(content)
