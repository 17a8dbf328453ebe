"""The prompt: codebook, text and a slot for the answer, the same for scoring, for tuning and outside.

A prompt is four pieces, and each piece is made into tokens by itself: what stands before the text (the codebook and
examples, the same for all texts), the text, what stands after it, and the answer, such as `topic: Health`. So the
tokens before the text do not depend on the text, and only the text is ever cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal

from annotune.errors import AnnotuneError

if TYPE_CHECKING:
    from annotune.data.codebook import Variable

Template = Literal["chat", "plain"]
YES_NO = ("yes", "no")
TEXT, ANSWER = "\u2063text\u2063", "\u2063answer\u2063"  # stand-ins while a chat template is filled in
TASK = "Code the text by the codebook. Each answer is one of the labels listed there, written as it is there."
# What templates ask for beside the messages: no thinking aloud, and no date of today, which would change the answers.
FIXED = {"enable_thinking": False, "date_string": "26 Jul 2024"}


@dataclass(frozen=True)
class Question:
    """One answer to be given: of which variable, what stands before it, and what can be said.

    Attributes
    ----------
    variable
        The variable's name.
    slot
        What the answer's line begins with: the variable's name, for a label of a set also the label's.
    answers
        The labels, or yes and no where it is asked whether a label of a set applies.
    """

    variable: str
    slot: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Prompt:
    """The pieces of a prompt.

    Attributes
    ----------
    before, after
        What stands before the text and between it and the answer.
    end
        What stands after the answer.
    questions
        What is asked; each question is answered without knowledge of the others' answers.
    """

    before: str
    after: str
    end: str
    questions: tuple[Question, ...]

    def render(self, text: str, question: Question | None = None) -> str:
        """The prompt as one string, up to the answer, for use in other programs.

        >>> from annotune.data.codebook import Variable
        >>> topic = Variable(name="topic", labels=({"code": 1, "name": "Health"}, {"code": 2, "name": "Law"}))
        >>> print(make_prompt([topic], template="plain").render("More nurses!"))
        Code the text by the codebook. Each answer is one of the labels listed there, written as it is there.
        <BLANKLINE>
        topic
        - Health
        - Law
        <BLANKLINE>
        Text:
        More nurses!
        <BLANKLINE>
        topic:
        """
        slot = (question or self.questions[0]).slot
        return f"{self.before}{text}{self.after}{slot}:"


def make_prompt(
    variables: Sequence[Variable], tokenizer: Any = None, *, template: Template = "chat", examples: int = 0
) -> Prompt:
    """The prompt that asks for these variables.

    Parameters
    ----------
    variables
        With their instructions, labels, definitions and examples.
    tokenizer
        Whose chat template is used.
    template
        `chat`, for models that were taught to follow instructions; `plain` writes the same without turns.
    examples
        How many of each label's examples are shown, with their answers.

    Raises
    ------
    AnnotuneError
        When the tokenizer has no chat template, or one that does not pass the text on.
    """
    shown = _examples(variables, examples)
    questions = tuple(question for variable in variables for question in ask(variable))
    if template == "plain":
        turns = "".join(f"{text}\n\n{answer}\n\nText:\n" for text, answer in shown)
        return Prompt(f"{_task(variables)}\n\nText:\n{turns}", "\n\n", "\n", questions)
    if template != "chat":
        raise AnnotuneError(f"There is no template {template!r}.", "Use 'chat' or 'plain'.")
    return Prompt(*_chat(tokenizer, _task(variables), shown), questions)


def ask(variable: Variable) -> list[Question]:
    """The questions about a variable: one, or for a multi-label variable one a label.

    >>> from annotune.data.codebook import Variable
    >>> sets = Variable(name="areas", kind="multilabel", labels=({"code": 1, "name": "Law"},))
    >>> ask(sets)
    [Question(variable='areas', slot='areas, Law', answers=('yes', 'no'))]
    """
    if variable.kind != "multilabel":
        return [Question(variable.name, variable.name, tuple(variable.names))]
    return [Question(variable.name, f"{variable.name}, {name}", YES_NO) for name in variable.names]


def _task(variables: Sequence[Variable]) -> str:
    return "\n\n".join([TASK, *(_entry(variable) for variable in variables)])


def _entry(variable: Variable) -> str:
    """A variable as coders see it: in one line where the labels need no explanation and are no sets."""
    sets = " (for each label yes or no)" if variable.kind == "multilabel" else ""
    head = f"{variable.name}{sets}: {variable.instruction}" if variable.instruction else f"{variable.name}{sets}"
    return "\n".join([head, *(f"- {name.name}: {name.definition}".removesuffix(": ") for name in variable.labels)])


def _examples(variables: Sequence[Variable], n: int) -> list[tuple[str, str]]:
    """Texts with their answers; labels take turns, so that the last ones seen are not all of one label."""
    shown: list[tuple[str, str]] = []
    for variable in variables:
        said = [[(text, _answer(variable, label.name)) for text in label.examples[:n]] for label in variable.labels]
        shown += [pair for turn in zip_longest(*said) for pair in turn if pair is not None]
    if n and not shown:
        raise AnnotuneError(
            f"examples={n} is asked for, and the codebook has none.", "Write examples: below a label, or leave it out."
        )
    return shown


def _answer(variable: Variable, label: str) -> str:
    return f"{variable.name}, {label}: yes" if variable.kind == "multilabel" else f"{variable.name}: {label}"


def _chat(tokenizer: Any, task: str, shown: Sequence[tuple[str, str]]) -> tuple[str, str, str]:
    """What the tokenizer's chat template writes before the text, after it, and after the answer."""
    texts = [*(text for text, _ in shown), TEXT]
    asked = [f"{task}\n\nText:\n{texts[0]}", *(f"Text:\n{text}" for text in texts[1:])]
    messages = [{"role": "user", "content": asked[0]}]
    for (_, answer), question in zip(shown, asked[1:], strict=True):
        messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": question}]
    before, _, after = _fill(tokenizer, messages, True).partition(TEXT)
    answered = _fill(tokenizer, [*messages, {"role": "assistant", "content": ANSWER}], False)
    if TEXT in after or not after or answered.count(ANSWER) != 1:
        raise AnnotuneError(
            "The tokenizer's chat template does not pass on the text and the answer.", "Use template='plain'."
        )
    return before, after, answered.partition(ANSWER)[2]


def _fill(tokenizer: Any, messages: list[dict[str, str]], generation: bool) -> str:
    from jinja2 import TemplateError

    if getattr(tokenizer, "chat_template", None) is None:
        raise AnnotuneError(
            "The base model's tokenizer has no chat template: it was not taught to follow instructions.",
            "Choose an instruction-tuned version of it, or use template='plain'.",
        )
    try:
        filled: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation, **FIXED)
    except TemplateError as error:
        raise AnnotuneError(
            f"The tokenizer's chat template cannot be filled in: {error}.", "Use template='plain'."
        ) from None
    return filled
