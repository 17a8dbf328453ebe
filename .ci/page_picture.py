"""Takes the picture of the coding page that README.md and docs/code.md show: python .ci/page_picture.py docs/code.png.

It serves invented sentences, codes some of them by keyboard, and takes a picture of the next. Needs the test extra.
"""

import io
import shutil
import sys
import tempfile
from pathlib import Path

import polars as pl
from PIL import Image
from playwright.sync_api import sync_playwright

import annotune as at
from annotune.data.corpus import read_corpus
from annotune.hybrid.page.launch import serve
from annotune.hybrid.page.texts import Columns
from annotune.hybrid.store import now, open_store

WIDTH, HEIGHT, SCALE = 1280, 880, 1.5
MOST_BYTES = 200_000
N, DONE = 240, 85  # texts, and those that are coded before the picture is taken
SPEECH = (
    "Mr Speaker, we have heard much this afternoon about the growth of the economy.",
    "My neighbour has waited eleven months for a new hip, and a country as rich as ours lets her wait.",
    "And whoever can pay is operated on next week.",
)
OTHERS = (
    "The budget that lies before us is balanced for the first time in nine years.",
    "Teachers tell me that they buy the books for their classes from their own pockets.",
    "A court that has to wait for its judges is no court.",
    "Our farmers ask for rules that last longer than a harvest.",
)
TOPICS = (
    ("Economy", 1, "Growth, prices, the budget as a whole, and taxes where no other area is named.", OTHERS[0]),
    ("Health", 3, "Hospitals, doctors and nurses, medicines, insurance against illness, waiting for treatment.", ""),
    ("Farming", 4, "Farms, food production, subsidies to farmers, fisheries.", ""),
    ("Education", 6, "Schools, universities, training. Not: research as an industry.", OTHERS[1]),
    ("Immigration", 9, "Entry, asylum, citizenship, integration of those who came.", ""),
    ("Law_and_order", 12, "Courts, police, crime and prisons.", OTHERS[2]),
    ("Social_welfare", 13, "Pensions, care for the old, benefits, poverty.", ""),
    ("Other", 99, "None of these areas; say in a note which.", ""),
)
TONES = ("very critical", "critical", "neither", "approving", "very approving")
REQUEST = (
    "INSERT INTO requests (key, question, at, unit_id, coder, provider, model, prompt, settings, status) "
    "VALUES ('k', 'q', ?, ?, 'a-model', 'openai', 'a-model', 'p', '{}', 'ok')"
)


def codebook():
    """Two questions: an area of policy, and a scale."""
    topics = tuple(
        at.Label(code=code, name=name, definition=definition, examples=(example,) if example else ())
        for name, code, definition, example in TOPICS
    )
    tones = tuple(at.Label(code=code, name=name) for code, name in enumerate(TONES, start=1))
    return at.Codebook(
        name="Speeches in parliament, 2017–2021",
        variables=(
            at.Variable(name="topic", labels=topics, instruction="Which area of policy is the sentence mainly about?"),
            at.Variable(name="tone", kind="ordinal", labels=tones, instruction="How is the present state spoken of?"),
        ),
    )


def corpus():
    """The sentences, and beside one of them what stands before and after it in its speech."""
    texts = [OTHERS[i % len(OTHERS)] for i in range(N)]
    texts[DONE] = SPEECH[1]
    rows = {"unit_id": [f"s{i:03}" for i in range(N)], "text": texts}
    neighbours = {name: [None] * N for name in ("before", "after", "passage")}
    for name, words in zip(neighbours, (SPEECH[0], SPEECH[2], "waited eleven months for a new hip"), strict=True):
        neighbours[name][DONE] = words
    return pl.DataFrame({**rows, **neighbours, "party": ["Greens"] * N, "year": [2019] * N}, strict=False)


def prepare(path):
    """A store in which the texts before the pictured one are coded, and something is proposed for that one."""
    texts = corpus()
    at.sample(texts, N, store=path, coders=["anna"], codebook=codebook())
    done = texts["unit_id"][: DONE - 4]
    topics = pl.DataFrame({"unit_id": done, "coder": "anna", "variable": "topic", "label": "Health"})
    at.record(path, pl.concat([topics, topics.with_columns(variable=pl.lit("tone"), label=pl.lit("critical"))]))
    with open_store(path) as store, store.change() as connection:
        for place, unit in enumerate(texts["unit_id"], start=1):
            connection.execute("UPDATE assignments SET place = ? WHERE unit_id = ?", [place, unit])
        connection.execute(REQUEST, [now(), texts["unit_id"][DONE]])
        connection.execute("INSERT INTO proposals VALUES ('k', 'topic', 0, 'Health', .9, 'ok', '')")
    columns = Columns(show=("party", "year"), before="before", after="after", mark="passage")
    return serve(path, read_corpus(texts), None, ["anna"], columns=columns, name="", browser=False, port=0)


def picture(link):
    """The page after some texts were coded, half a minute each."""
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=SCALE)
        page.clock.install()
        page.goto(link)
        for place in range(DONE - 3, DONE + 1):
            page.get_by_text(f"Text {place} of").wait_for()
            page.clock.run_for(27_000)
            for key in ("1", "3", "Enter"):
                page.keyboard.press(key)
            page.clock.run_for(500)
        page.get_by_text(f"Text {DONE + 1} of").wait_for()
        page.clock.run_for(2_000)
        page.keyboard.press("2")
        page.keyboard.press("ArrowUp")
        page.wait_for_selector("#saved[data-state=saved]")
        page.wait_for_timeout(300)
        shot = page.screenshot()
        browser.close()
    return shot


def main(target):
    """Take the picture, in few colours, and write it."""
    with tempfile.TemporaryDirectory() as folder:
        served = prepare(Path(folder) / "study.annotune")
        try:
            shot = picture(served.links["anna"])
        finally:
            served.stop()
    image = Image.open(io.BytesIO(shot)).convert("RGB").quantize(160, method=Image.Quantize.MEDIANCUT, dither=0)
    image.save(target, optimize=True)
    assert Path(target).stat().st_size < MOST_BYTES


if __name__ == "__main__":
    main(sys.argv[1])
