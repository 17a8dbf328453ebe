"""The tables of the store, and the one table of codings as a view of them.

A later version adds a script to `MIGRATIONS` and never changes one that was handed out. Views are made anew whenever a
store is opened for writing, so they may change with the code.
"""

from __future__ import annotations

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
MIGRATIONS = (FIRST,)

VIEWS = """
DROP VIEW IF EXISTS codings;
DROP VIEW IF EXISTS people;
CREATE VIEW people AS             -- the last answer of each person to each question about a text
    SELECT d.unit_id, d.variable, d.coder, l.value AS label, NULL AS prob, d.status, d.wave, d.arm, d.codebook
    FROM decisions d LEFT JOIN json_each(d.labels) l ON d.status = 'ok'
    WHERE d.status <> 'withdrawn' AND d.id IN (SELECT max(id) FROM decisions GROUP BY unit_id, variable, coder);
CREATE VIEW codings AS            -- the one table: people and models alike
    SELECT unit_id, variable, coder, label, prob, status, wave, arm, codebook, 'person' AS kind FROM people
    UNION ALL
    SELECT r.unit_id, p.variable, r.coder, p.label, p.prob, p.status, NULL, NULL, r.codebook, 'model'
    FROM proposals p JOIN requests r ON r.key = p.request;
"""
