-- Small facts about the database itself, such as the value that proves the key.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE site (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT,
    url TEXT NOT NULL,
    user_id TEXT NOT NULL,
    console_url TEXT,
    is_default BIGINT NOT NULL,
    allow_private TEXT NOT NULL,
    settings TEXT NOT NULL,
    first_write_done BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- Encrypted, bound to the id: nonce and ciphertext in hexadecimal.
    token TEXT
);
CREATE UNIQUE INDEX site_name ON site (name);
CREATE UNIQUE INDEX site_nameless ON site (url) WHERE name IS NULL;
CREATE UNIQUE INDEX site_default ON site (is_default) WHERE is_default = 1;

CREATE TABLE channel_override (
    site_id TEXT NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    channel_id BIGINT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (site_id, channel_id)
);

CREATE TABLE provider_override (
    site_id TEXT NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    kind BIGINT NOT NULL,
    base_url TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (site_id, kind, base_url)
);

-- The fence grows over all gateways, so that a site whose address is edited never meets an older one.
CREATE TABLE lease (
    url TEXT NOT NULL PRIMARY KEY,
    holder TEXT,
    fence BIGINT NOT NULL,
    taken_at BIGINT NOT NULL
);

CREATE TABLE run (
    id TEXT NOT NULL PRIMARY KEY,
    parent TEXT,
    site_id TEXT NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    site_url TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    started_by TEXT NOT NULL,
    actor TEXT NOT NULL,
    go_on BIGINT NOT NULL,
    unattended BIGINT NOT NULL,
    selection TEXT,
    settings TEXT NOT NULL,
    policy_override TEXT,
    policy_hash TEXT NOT NULL,
    plan_hash TEXT,
    started_at BIGINT NOT NULL,
    planned_at BIGINT,
    approved_at BIGINT,
    approved_by TEXT,
    ended_at BIGINT,
    reads BIGINT NOT NULL,
    writes BIGINT NOT NULL,
    throttled BIGINT NOT NULL,
    failure TEXT,
    fence BIGINT NOT NULL,
    total BIGINT NOT NULL,
    -- Changes by state, kept while nothing of the run moves, so that a page of runs reads no changes.
    tally TEXT
);
CREATE INDEX run_by_site ON run (site_id, id);

-- Texts by their digest: a list that did not change costs no second copy.
CREATE TABLE blob (
    hash TEXT NOT NULL PRIMARY KEY,
    text TEXT NOT NULL
);

CREATE TABLE change (
    run_id TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    channel_id BIGINT NOT NULL,
    site_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    channel_name TEXT NOT NULL,
    provider_kind BIGINT NOT NULL,
    provider_url TEXT NOT NULL,
    page BIGINT NOT NULL,
    base TEXT NOT NULL,
    before_hash TEXT NOT NULL,
    after_hash TEXT,
    upstream_hash TEXT,
    state TEXT NOT NULL,
    hold TEXT,
    skip TEXT,
    failure TEXT,
    detail TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    http_status BIGINT,
    read_at BIGINT NOT NULL,
    finished_at BIGINT,
    PRIMARY KEY (run_id, channel_id)
) WITHOUT ROWID;
CREATE INDEX change_by_channel ON change (site_id, channel_id, run_id, subject);

CREATE TABLE hold (
    site_id TEXT NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    channel_id BIGINT NOT NULL,
    channel_name TEXT NOT NULL,
    run_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    held_add TEXT NOT NULL,
    held_remove TEXT NOT NULL,
    since BIGINT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (site_id, channel_id)
);

CREATE TABLE memory (
    site_id TEXT NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    channel_id BIGINT NOT NULL,
    settled_hash TEXT,
    left_hash TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (site_id, channel_id)
) WITHOUT ROWID;

CREATE TABLE event (
    run_id TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (run_id, seq)
) WITHOUT ROWID;
