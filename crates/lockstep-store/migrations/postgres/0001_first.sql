-- Texts are compared by their bytes, as SQLite does, whatever the language of the database.
-- Small facts about the database itself, such as the value that proves the key.
CREATE TABLE meta (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

CREATE TABLE site (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C",
    url TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    console_url TEXT COLLATE "C",
    is_default BIGINT NOT NULL,
    allow_private TEXT COLLATE "C" NOT NULL,
    settings TEXT COLLATE "C" NOT NULL,
    first_write_done BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- Encrypted, bound to the id: nonce and ciphertext in hexadecimal.
    token TEXT COLLATE "C"
);
CREATE UNIQUE INDEX site_name ON site (name);
CREATE UNIQUE INDEX site_nameless ON site (url) WHERE name IS NULL;
CREATE UNIQUE INDEX site_default ON site (is_default) WHERE is_default = 1;

CREATE TABLE channel_override (
    site_id TEXT COLLATE "C" NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    channel_id BIGINT NOT NULL,
    data TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (site_id, channel_id)
);

CREATE TABLE provider_override (
    site_id TEXT COLLATE "C" NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    kind BIGINT NOT NULL,
    base_url TEXT COLLATE "C" NOT NULL,
    data TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (site_id, kind, base_url)
);

-- The fence grows over all gateways, so that a site whose address is edited never meets an older one.
CREATE TABLE lease (
    url TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    holder TEXT COLLATE "C",
    fence BIGINT NOT NULL,
    taken_at BIGINT NOT NULL
);

CREATE TABLE run (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    parent TEXT COLLATE "C",
    site_id TEXT COLLATE "C" NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    site_url TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    started_by TEXT COLLATE "C" NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    go_on BIGINT NOT NULL,
    unattended BIGINT NOT NULL,
    selection TEXT COLLATE "C",
    settings TEXT COLLATE "C" NOT NULL,
    policy_override TEXT COLLATE "C",
    policy_hash TEXT COLLATE "C" NOT NULL,
    plan_hash TEXT COLLATE "C",
    started_at BIGINT NOT NULL,
    planned_at BIGINT,
    approved_at BIGINT,
    approved_by TEXT COLLATE "C",
    ended_at BIGINT,
    reads BIGINT NOT NULL,
    writes BIGINT NOT NULL,
    throttled BIGINT NOT NULL,
    failure TEXT COLLATE "C",
    fence BIGINT NOT NULL,
    total BIGINT NOT NULL,
    -- Changes by state, kept while nothing of the run moves, so that a page of runs reads no changes.
    tally TEXT COLLATE "C"
);
CREATE INDEX run_by_site ON run (site_id, id);

-- Texts by their digest: a list that did not change costs no second copy.
CREATE TABLE blob (
    hash TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    text TEXT COLLATE "C" NOT NULL
);

CREATE TABLE change (
    run_id TEXT COLLATE "C" NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    channel_id BIGINT NOT NULL,
    site_id TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    channel_name TEXT COLLATE "C" NOT NULL,
    provider_kind BIGINT NOT NULL,
    provider_url TEXT COLLATE "C" NOT NULL,
    page BIGINT NOT NULL,
    base TEXT COLLATE "C" NOT NULL,
    before_hash TEXT COLLATE "C" NOT NULL,
    after_hash TEXT COLLATE "C",
    upstream_hash TEXT COLLATE "C",
    state TEXT COLLATE "C" NOT NULL,
    hold TEXT COLLATE "C",
    skip TEXT COLLATE "C",
    failure TEXT COLLATE "C",
    detail TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    http_status BIGINT,
    read_at BIGINT NOT NULL,
    finished_at BIGINT,
    PRIMARY KEY (run_id, channel_id)
);
CREATE INDEX change_by_channel ON change (site_id, channel_id, run_id, subject);

CREATE TABLE hold (
    site_id TEXT COLLATE "C" NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    channel_id BIGINT NOT NULL,
    channel_name TEXT COLLATE "C" NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    held_add TEXT COLLATE "C" NOT NULL,
    held_remove TEXT COLLATE "C" NOT NULL,
    since BIGINT NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (site_id, channel_id)
);

CREATE TABLE memory (
    site_id TEXT COLLATE "C" NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    channel_id BIGINT NOT NULL,
    settled_hash TEXT COLLATE "C",
    left_hash TEXT COLLATE "C" NOT NULL,
    data TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (site_id, channel_id)
);

CREATE TABLE event (
    run_id TEXT COLLATE "C" NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    data TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, seq)
);
