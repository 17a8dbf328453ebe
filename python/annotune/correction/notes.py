"""What a correction says beside its figures: sentences for tables of papers, and on screen what may be done."""

from __future__ import annotations

CODE_MORE = "Code more texts by hand."


class Note(str):
    """A sentence on a result, as a paper's table has it, with what the researcher may do about it.

    Attributes
    ----------
    advice
        A sentence for the screen; empty where there is nothing to be done.

    Examples
    --------
    >>> note = Note("With 12 clusters, intervals are too narrow.", "Leave out small_sample.")
    >>> print(note, "|", note.advice)
    With 12 clusters, intervals are too narrow. | Leave out small_sample.
    """

    __slots__ = ("advice",)
    advice: str

    def __new__(cls, sentence: str, advice: str = "") -> Note:
        """The sentence, and the advice beside it."""
        note = super().__new__(cls, sentence)
        note.advice = advice
        return note


def advice_of(notes: tuple[str, ...]) -> tuple[str, ...]:
    """What may be done about these notes, each once."""
    return tuple(dict.fromkeys(note.advice for note in notes if isinstance(note, Note) and note.advice))
