"""The source is built as docs/architecture.md says: imports go down its floors, and never in a circle."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PACKAGE = ROOT / "python" / "annotune"
NAME = r"`([\w.]+/?)`"


def floors_of(page):
    """The number of each room's floor, counted from the top: the second column of the table of rooms."""
    rows = [line.split("|") for line in page.split("## Rooms")[1].splitlines() if line.startswith("|")]
    return {room: number for number, cells in enumerate(rows) for room in re.findall(NAME, cells[2])}


def neighbours_of(page):
    """Rooms of one floor of which the page says that the first may import the second."""
    return set(re.findall(rf"{NAME} may import {NAME}", page))


def files_of(package):
    """Every file by its dotted name: `data.codings`, `tables` (its `__init__.py`), and `__init__` of the whole."""
    names = {}
    for path in sorted(package.rglob("*.py")):
        dotted = ".".join(path.relative_to(package).with_suffix("").parts)
        names[dotted.removesuffix(".__init__")] = path
    return names


def imports_of(package):
    """The files of the package that each file imports, wherever in it: at the top, in a function, for types alone."""
    files = files_of(package)

    def file_of(dotted):
        inside = dotted.split(".")[1:]
        known = (".".join(inside[:n]) for n in range(len(inside), 0, -1))
        return next((name for name in known if name in files), "__init__")

    def named(node):
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "Imports are written in full."
            return [f"{node.module}.{alias.name}" for alias in node.names]
        return []

    return {
        name: {
            file_of(dotted)
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            for dotted in named(node)
            if dotted.split(".")[0] == package.name
        }
        for name, path in files.items()
    }


def faults_of(package, page):
    """A sentence for each import that the page does not allow, each room that it lacks or invents, and a circle."""
    floors, neighbours, imports = floors_of(page), neighbours_of(page), imports_of(package)

    def room_of(name):
        first = name.split(".")[0]
        return f"{first}/" if (package / first).is_dir() else f"{first}.py"

    rooms = {room_of(name) for name in imports}
    faults = [f"The page has no room {room}." for room in sorted(rooms - set(floors))]
    faults += [f"There is no room {room}." for room in sorted(set(floors) - rooms)]
    for name, others in imports.items():
        for other in sorted(others):
            here, there = room_of(name), room_of(other)
            if here == there or {here, there} - set(floors) or (here, there) in neighbours:
                continue
            if floors[there] < floors[here]:
                faults.append(f"{name} imports {other}, which stands above it.")
            elif floors[there] == floors[here]:
                faults.append(f"{name} imports {other}, which stands on the same floor.")
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        faults.append("A circle: " + ", ".join(error.args[1]) + ".")
    return faults


def test_imports_go_down():
    assert faults_of(PACKAGE, PAGE) == []


def test_imports_are_seen_at_the_top_in_functions_and_for_types_alone():
    imports = imports_of(PACKAGE)
    assert {"errors", "data.codebook"} <= imports["data.codings"]
    assert "models.formats.export" in imports["models.classifier"]
    assert "tuning.tuner" in imports["commands.models"]


def test_the_page_says_something_about_every_floor():
    rows = [line for line in PAGE.split("## Rooms")[1].splitlines() if line.startswith("|")][2:]
    assert len(rows) > 10
    for row in rows:
        _, _, rooms, purpose, _ = row.split("|")
        assert re.search(NAME, rooms)
        assert len(purpose.split()) > 2


SMALL = """
## Rooms

| floor | rooms | what they are for |
|---|---|---|
| top | `attic/` | A |
| | `hall/`, `kitchen/`, `__init__.py` | B |
| ground | `cellar.py` | C |
"""


@pytest.fixture
def house(tmp_path):
    """A maker of a small package in which imports go down, but for what is planted at the end of its files."""
    sound = {
        "__init__.py": "",
        "cellar.py": "import json\n",
        "hall/__init__.py": "from house.hall.door import knock\n",
        "hall/door.py": "from house.cellar import key\n",
        "hall/lock.py": "def turn():\n    from house.hall import door\n",
        "kitchen/stove.py": "def cook():\n    from house import cellar\n",
        "attic/chest.py": "import house.kitchen.stove\nfrom house.hall import door, knock\n",
    }

    def build(file="cellar.py", planted=""):
        for name, source in {**sound, file: sound.get(file, "") + planted}.items():
            path = tmp_path / "house" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        return tmp_path / "house"

    return build


def test_a_sound_house_has_no_faults(house):
    assert faults_of(house(), SMALL) == []


@pytest.mark.parametrize(
    ("file", "planted", "fault"),
    [
        ("cellar.py", "import house.attic.chest\n", "cellar imports attic.chest, which stands above it."),
        ("cellar.py", "def f():\n    from house.attic import chest\n", "cellar imports attic.chest,"),
        ("hall/door.py", "if TYPE_CHECKING:\n    from house.attic.chest import A\n", "hall.door imports attic.chest"),
        ("kitchen/stove.py", "from house.hall.door import knock\n", "hall.door, which stands on the same floor."),
        ("cellar.py", "from house import version\n", "cellar imports __init__, which stands above it."),
        ("shed/rake.py", "", "The page has no room shed/."),
        ("tools.py", "", "The page has no room tools.py."),
        ("hall/door.py", "from house.hall.lock import turn\n", "A circle: hall."),
    ],
)
def test_what_is_planted_is_found(house, file, planted, fault):
    assert any(fault in found for found in faults_of(house(file, planted), SMALL))


def test_a_room_that_is_gone_is_found(house):
    assert faults_of(house(), SMALL.replace("`attic/`", "`attic/`, `loft/`")) == ["There is no room loft/."]


def test_neighbours_import_each_other_only_where_the_page_says_so(house):
    package = house("kitchen/stove.py", "from house.hall.door import knock\n")
    assert len(faults_of(package, SMALL)) == 1
    assert faults_of(package, SMALL + "\nHere `kitchen/` may import `hall/`.\n") == []
    assert len(faults_of(package, SMALL + "\nHere `hall/` may import `kitchen/`.\n")) == 1
