"""The tables of the store, and the one table of codings as a view of them.

A later version adds a script to `MIGRATIONS` and never changes one that was handed out. Views in a file are for other
programs: here each connection makes its own, so that they may change with the code, and a view that somebody else put
into a store is not looked at.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

from annotune.errors import AnnotuneError

APPLICATION = 0x616E6E6F  # "anno" in the file's header: which program made it
OWN_TABLES_OF_SQLITE = "CREATE TABLE sqlite_"

FIRST = """
CREATE TABLE codebooks (          -- every version of the codebook that was coded with
    version INTEGER PRIMARY KEY, at TEXT NOT NULL, author TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '',
    content TEXT NOT NULL         -- the codebook as JSON
);
CREATE TABLE waves (              -- one draw of texts
    wave INTEGER PRIMARY KEY, at TEXT NOT NULL, design TEXT NOT NULL, seed INTEGER NOT NULL,
    size INTEGER NOT NULL,        -- texts that could be drawn
    corpus TEXT NOT NULL,         -- the fingerprint of their identifiers
    settings TEXT NOT NULL        -- what else the draw rested on, as JSON
);
CREATE TABLE draws (              -- which texts, each with its probability to be drawn in this wave
    wave INTEGER NOT NULL REFERENCES waves, unit_id TEXT NOT NULL, pi REAL NOT NULL CHECK (pi > 0 AND pi <= 1),
    stratum TEXT, cluster TEXT, PRIMARY KEY (wave, unit_id)
) WITHOUT ROWID;
CREATE TABLE chances (            -- the texts that a wave could have drawn and did not, each with its probability to be
    wave INTEGER NOT NULL REFERENCES waves, unit_id TEXT NOT NULL, pi REAL NOT NULL CHECK (pi > 0 AND pi < 1),
    stratum TEXT, cluster TEXT, PRIMARY KEY (wave, unit_id)
) WITHOUT ROWID;
CREATE TABLE assignments (        -- who is to code a drawn text, in which order, and what is shown meanwhile
    wave INTEGER NOT NULL, unit_id TEXT NOT NULL, coder TEXT NOT NULL, place INTEGER NOT NULL,
    arm TEXT NOT NULL CHECK (arm IN ('open', 'blind', 'two', 'decoy')),
    PRIMARY KEY (wave, unit_id, coder), FOREIGN KEY (wave, unit_id) REFERENCES draws
) WITHOUT ROWID;
CREATE TABLE decisions (          -- what people decided, one row per answer and never changed: the last one holds
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL,
    unit_id TEXT NOT NULL, variable TEXT NOT NULL, coder TEXT NOT NULL,
    labels TEXT NOT NULL CHECK (json_valid(labels)),  -- a JSON list of labels
    status TEXT NOT NULL CHECK (status IN ('ok', 'none', 'missing', 'withdrawn')),
    wave INTEGER, arm TEXT, codebook INTEGER REFERENCES codebooks,
    proposals TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(proposals)),  -- which proposals were shown, in order
    seconds REAL, unsure INTEGER NOT NULL DEFAULT 0, note TEXT NOT NULL DEFAULT ''
);
CREATE INDEX decisions_by_answer ON decisions (unit_id, variable, coder, id);
CREATE TRIGGER decisions_stay BEFORE UPDATE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions are only added'); END;
CREATE TRIGGER decisions_remain BEFORE DELETE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions are only added'); END;
CREATE TABLE requests (           -- one question to a model about one text, and its answer, paid for once
    key TEXT PRIMARY KEY,         -- fingerprint of the question and of the text's identifier
    question TEXT NOT NULL,       -- fingerprint of text, codebook, prompt, model and settings
    at TEXT NOT NULL, unit_id TEXT NOT NULL, coder TEXT NOT NULL,
    provider TEXT NOT NULL, model TEXT NOT NULL,
    reported TEXT NOT NULL DEFAULT '',    -- the model as the endpoint calls it
    fingerprint TEXT NOT NULL DEFAULT '', -- of the system, as the endpoint states it
    prompt TEXT NOT NULL, settings TEXT NOT NULL,  -- the prompt's fingerprint; seed, temperature and the like as JSON
    codebook INTEGER REFERENCES codebooks,
    answer TEXT,                  -- as it came; null as long as there is none
    status TEXT NOT NULL CHECK (status IN ('ok', 'missing', 'unparsed', 'error', 'waiting')),
    reason TEXT NOT NULL DEFAULT '',      -- why there is no answer
    batch TEXT, tokens_in INTEGER, tokens_out INTEGER, cost REAL, seconds REAL,
    attempts INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX requests_by_question ON requests (question);
CREATE INDEX requests_by_coder ON requests (coder, unit_id);
CREATE TABLE proposals (          -- what a model proposes, one row per label, or one that says why there is none
    request TEXT NOT NULL REFERENCES requests, variable TEXT NOT NULL, place INTEGER NOT NULL,
    label TEXT, prob REAL, status TEXT NOT NULL CHECK (status IN ('ok', 'none', 'missing', 'unparsed', 'error')),
    reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (request, variable, place)
) WITHOUT ROWID;
CREATE TABLE ledger (             -- what left this machine
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, host TEXT NOT NULL, request TEXT NOT NULL,
    unit_id TEXT NOT NULL, characters INTEGER NOT NULL, redacted INTEGER NOT NULL DEFAULT 0
);
"""
PAGE = """
CREATE TABLE entries (            -- what a coder sent from the page, in order: an answer to a text, or an undo
    id INTEGER PRIMARY KEY AUTOINCREMENT, coder TEXT NOT NULL,
    key TEXT NOT NULL,            -- made by the page: what comes twice under one key is one entry
    at TEXT NOT NULL,
    content TEXT NOT NULL,        -- the fingerprint of what was sent
    unit_id TEXT,                 -- null where there was nothing to undo
    seconds REAL,                 -- that the coder spent on the text
    first INTEGER, last INTEGER,  -- the decisions that came of it
    undoes INTEGER UNIQUE REFERENCES entries,  -- the answer that this undoes; null of an answer
    UNIQUE (coder, key)
);
CREATE TABLE shown (              -- the proposals that a coder saw beside a text, as they were when it was first shown
    coder TEXT NOT NULL, unit_id TEXT NOT NULL, at TEXT NOT NULL,
    proposals TEXT NOT NULL CHECK (json_valid(proposals)),  -- of each variable a list, in the order shown
    PRIMARY KEY (coder, unit_id)
) WITHOUT ROWID;
CREATE TABLE again (              -- answers under earlier versions of the codebook that are to be looked at again
    version INTEGER NOT NULL REFERENCES codebooks, unit_id TEXT NOT NULL, variable TEXT NOT NULL,
    PRIMARY KEY (unit_id, variable, version)
) WITHOUT ROWID;
CREATE TABLE links (              -- who may use the page: a token's hash, never the token
    hash TEXT PRIMARY KEY, coder TEXT NOT NULL, role TEXT NOT NULL CHECK (role IN ('coder', 'adjudicator')),
    at TEXT NOT NULL, expires TEXT  -- null where it is for this machine alone
) WITHOUT ROWID;
CREATE TABLE breaks (             -- when coders paused, and went on
    id INTEGER PRIMARY KEY AUTOINCREMENT, coder TEXT NOT NULL, at TEXT NOT NULL,
    paused INTEGER NOT NULL CHECK (paused IN (0, 1))
);
CREATE INDEX decisions_by_coder ON decisions (coder, unit_id, variable, id);
CREATE INDEX assignments_by_coder ON assignments (coder, wave, place);
"""
ENTRIES_IN_ORDER = """
CREATE INDEX entries_by_coder ON entries (coder, id);
"""
PASSAGES = """
CREATE TABLE passages (           -- the passage of a text that decided for a proposed label; its words are not kept
    request TEXT NOT NULL REFERENCES requests, variable TEXT NOT NULL, place INTEGER NOT NULL,
    first INTEGER NOT NULL,       -- the number of its first character, from 0
    behind INTEGER NOT NULL,      -- and of the one after its last
    share REAL NOT NULL,          -- in the decision, from 0 to 1
    text TEXT NOT NULL,           -- the fingerprint of the text
    PRIMARY KEY (request, variable, place)
) WITHOUT ROWID;
"""
MIGRATIONS = (FIRST, PAGE, ENTRIES_IN_ORDER, PASSAGES)

WITHOUT_VIEWS = "DROP VIEW IF EXISTS main.codings; DROP VIEW IF EXISTS main.people;"
VIEWS = """
CREATE VIEW people AS             -- the last answer of each person to each question about a text
    SELECT d.unit_id, d.variable, d.coder, l.value AS label, NULL AS prob, d.status, d.wave, d.arm, d.codebook,
        json_array_length(d.proposals) AS shown
    FROM decisions d LEFT JOIN json_each(d.labels) l ON d.status = 'ok'
    WHERE d.status <> 'withdrawn' AND d.id IN (SELECT max(id) FROM decisions GROUP BY unit_id, variable, coder);
CREATE VIEW codings AS            -- the one table: people and models alike
    SELECT unit_id, variable, coder, label, prob, status, wave, arm, codebook,
        CASE WHEN arm IS NULL AND (unit_id, coder) IN (SELECT unit_id, coder FROM entries)
            THEN 'adjudicator' ELSE 'person' END AS kind,  -- whoever is given a text on the page has an arm
        shown
    FROM people
    UNION ALL
    SELECT r.unit_id, p.variable, r.coder, p.label, p.prob, p.status, NULL, NULL, r.codebook, 'model', NULL
    FROM proposals p JOIN requests r ON r.key = p.request;
"""


def statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: `executescript` would end the transaction that is open.

    >>> list(statements("CREATE TABLE a (x);CREATE TABLE b (x); -- a remark"))
    ['CREATE TABLE a (x);', 'CREATE TABLE b (x);']
    """
    statement = ""
    for part in script.split(";")[:-1]:
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""


def with_own_views(connection: sqlite3.Connection) -> None:
    """The views as this version has them, for one connection: they come before those of the same name in the file."""
    for statement in statements(VIEWS):
        connection.execute(statement.replace("CREATE VIEW", "CREATE TEMP VIEW", 1))


def trust_nothing(connection: sqlite3.Connection) -> None:
    """Let a file that anybody may have made break nothing (SQLite's documentation: Defense against the dark arts).

    What is in it is compared by `require_store`. Before, `trusted_schema = OFF` would be of no use: some versions of
    SQLite take the tables' own json_valid for a danger.
    """
    connection.execute("PRAGMA cell_size_check = ON")
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)


def require_store(path: Path, connection: sqlite3.Connection) -> int:
    """The version of a store; 0 for a file that is empty.

    A store has the tables, indexes and triggers of its version, letter by letter. One more could be a trigger that
    changes what somebody writes, or a view without end in a table's place.

    Raises
    ------
    AnnotuneError
        For another database, a newer version's store, and one that holds what annotune does not put there.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    content = _content(connection)
    if content and application != APPLICATION:
        raise AnnotuneError(f"{path} is a database, but no store of annotune.", "Choose another name.")
    if version > len(MIGRATIONS):
        what = f"{path} was made by a newer version of annotune (its store is of version {version})."
        raise AnnotuneError(what, "Update annotune.")
    own = _own_content(MIGRATIONS[: max(version, 0)])
    strange = [name for sql, name in content.items() if sql not in own]
    if strange:
        what = f"{path} holds {strange[0]!r}, which annotune did not put there."
        raise AnnotuneError(
            what, "It may be meant to do harm: ask for the codings as a .csv, and for draws as another."
        )
    if len(content) < len(own):
        raise AnnotuneError(f"{path} lacks tables that a store has.", "Take a copy that is whole.")
    return version


def _content(connection: sqlite3.Connection) -> dict[str, str]:
    """What the file has but for views and SQLite's own tables: the name of each, by its definition."""
    rows = connection.execute("SELECT sql, name FROM sqlite_master WHERE sql IS NOT NULL")
    return {sql: name for sql, name in rows if not sql.startswith(("CREATE VIEW ", OWN_TABLES_OF_SQLITE))}


@cache
def _own_content(scripts: tuple[str, ...]) -> frozenset[str]:
    """The definitions in a store that these scripts made."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for script in scripts:
            connection.executescript(script)
        return frozenset(_content(connection))
