"""The prompt: pieces that do not depend on the text, the beginning of text once, and words of the codebook."""

import polars as pl
import pytest
from typer.testing import CliRunner

import annotune as at
from annotune.cli import app
from annotune.data.codebook import Label, Variable
from annotune.network.base import Base, load_tokenizer
from annotune.network.prompts import ask, make_prompt
from annotune.network.slots import deciding, grow, make_slots

TOPIC = Variable(
    name="topic",
    instruction="About what?",
    labels=(
        Label(code=1, name="Health", definition="Care", examples=("a nurse", "a doctor")),
        Label(code=2, name="Law", examples=("a judge",)),
    ),
)


@pytest.fixture(params=["chatml", "turns"])
def tokenizer(request, decoder, templates):
    folder = decoder("llama", template=templates[request.param])
    return load_tokenizer(Base(folder, "tiny", "1"))


def test_a_prompt_reads_as_the_template_writes_it(tokenizer):
    prompt = make_prompt([TOPIC], tokenizer, examples=1)
    task = "Code the text by the codebook. Each answer is one of the labels listed there, written as it is there."
    said = [
        ("user", f"{task}\n\ntopic: About what?\n- Health: Care\n- Law\n\nText:\na nurse"),
        ("assistant", "topic: Health"),
        ("user", "Text:\na judge"),
        ("assistant", "topic: Law"),
        ("user", "Text:\nthe court"),
    ]
    messages = [{"role": role, "content": content} for role, content in said]
    whole = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert prompt.render("the court") == f"{whole}topic:"
    assert prompt.end.startswith("<|im_end|>")


def test_texts_begin_once(tokenizer):
    """Whether the template writes the token that begins texts, the tokenizer adds it, both, or neither."""
    for template in ("chat", "plain"):
        slots = make_slots(make_prompt([TOPIC], tokenizer, template=template), tokenizer)
        begins = tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
        assert slots.before.count(tokenizer.bos_token_id) == int(begins)
        assert (slots.before[0] == tokenizer.bos_token_id) == begins


def test_pieces_join_to_the_rendered_prompt(tokenizer):
    prompt = make_prompt([TOPIC], tokenizer, examples=2)
    slots = make_slots(prompt, tokenizer)
    text = tokenizer("the court", add_special_tokens=False)["input_ids"]
    for path, label in zip(slots.paths[0], TOPIC.names, strict=True):
        joined = tokenizer.decode(slots.before + text + path)
        assert joined == f"{prompt.render('the court')} {label}<|im_end|>"


def test_no_template_hides_the_text_or_needs_what_is_not_there(tokenizer):
    tokenizer.chat_template = "{{ bos_token }}{{ messages[0]['role'] }}"
    with pytest.raises(at.AnnotuneError, match="does not pass on the text"):
        make_prompt([TOPIC], tokenizer)
    tokenizer.chat_template = "{{ raise_exception('Only systems may speak') }}"
    with pytest.raises(at.AnnotuneError, match=r"cannot be filled in: Only systems may speak"):
        make_prompt([TOPIC], tokenizer)
    with pytest.raises(at.AnnotuneError, match="no template 'alpaca'"):
        make_prompt([TOPIC], tokenizer, template="alpaca")


def test_examples_that_are_not_there_are_not_promised():
    bare = Variable(name="x", labels=(Label(code=1, name="a"), Label(code=2, name="b")))
    with pytest.raises(at.AnnotuneError, match="examples=2 is asked for, and the codebook has none"):
        make_prompt([bare], template="plain", examples=2)


def test_labels_of_a_set_are_questions_of_their_own():
    sets = TOPIC.model_copy(update={"kind": "multilabel"})
    assert [question.slot for question in ask(sets)] == ["topic, Health", "topic, Law"]
    prompt = make_prompt([sets], template="plain", examples=1)
    assert "a judge\n\ntopic, Law: yes\n" in prompt.render("x")


def test_a_tree_holds_each_beginning_once():
    paths = [[1, 2, 3], [1, 2, 4, 5], [1, 6]]
    tree, walked = grow(paths)
    assert [[tree.ids[node] for node in nodes] for nodes in walked] == paths
    assert len(tree.ids) == 6
    for nodes in walked:
        assert tree.sees[nodes[-1]].nonzero()[0].tolist() == nodes
        assert tree.depth[nodes].tolist() == list(range(len(nodes)))


def test_a_label_that_is_the_beginning_of_another_is_told_by_its_end():
    end = 0
    paths = [[9, 1, end], [9, 1, 2, end], [9, 3, 4, end]]
    assert [list(span) for span in deciding(paths, 1)] == [[1, 2], [1, 2], [1]]


def test_the_command_line_codes_and_records(decoder, tmp_path):
    texts = pl.DataFrame({"id": ["a", "b"], "party": ["X", "Y"], "text": ["the court", "a doctor"]})
    texts.write_csv(tmp_path / "texts.csv")
    book = "variables:\n  - name: topic\n    labels: [{code: 1, name: Health}, {code: 3, name: Law}]\n"
    (tmp_path / "book.yaml").write_text(book)
    out = tmp_path / "codes.parquet"
    options = ["--codebook", str(tmp_path / "book.yaml"), "--base", str(decoder()), "--unit-id", "id"]
    done = CliRunner().invoke(app, ["zero-shot", str(tmp_path / "texts.csv"), str(out), *options])
    assert done.exit_code == 0, done.output
    coded = pl.read_parquet(out)
    assert coded.columns[:4] == ["unit_id", "party", "topic", "topic_prob"]
    assert coded["topic_status"].to_list() == ["ok", "ok"]
    wanted = at.zero_shot(texts, at.read_codebook(tmp_path / "book.yaml"), str(decoder()), unit_id="id")
    assert coded["topic"].cast(pl.String).to_list() == wanted["label"].to_list()
    assert (tmp_path / "codes.parquet.record.json").is_file()
