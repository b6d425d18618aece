-- Who may sign in. The password is an Argon2id text.
CREATE TABLE person (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    password TEXT COLLATE "C" NOT NULL,
    changed_at BIGINT NOT NULL
);

-- Of sign-in tokens and links only the digest is kept.
CREATE TABLE session (
    hash TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    person TEXT COLLATE "C" NOT NULL REFERENCES person (name) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
CREATE TABLE sign_in_link (
    hash TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

-- Tokens of programs. Scopes are words parted by spaces.
CREATE TABLE token (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    hash TEXT COLLATE "C" NOT NULL,
    scopes TEXT COLLATE "C" NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    seen_at BIGINT
);
CREATE UNIQUE INDEX token_name ON token (name);
CREATE UNIQUE INDEX token_hash ON token (hash);

-- The answer to a request that must not be done twice. Without a status it is still being done.
CREATE TABLE idempotency (
    caller TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    request TEXT COLLATE "C" NOT NULL,
    status BIGINT,
    body TEXT COLLATE "C",
    at BIGINT NOT NULL,
    PRIMARY KEY (caller, key)
);

-- Who did what beside runs, as JSON.
CREATE TABLE deed (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    site_id TEXT COLLATE "C",
    at BIGINT NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    data TEXT COLLATE "C" NOT NULL
);

-- When a subject of a site runs by itself. The plan of ticks is JSON; the next tick is kept so that a missed one is seen.
CREATE TABLE schedule (
    site_id TEXT COLLATE "C" NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    subject TEXT COLLATE "C" NOT NULL,
    data TEXT COLLATE "C" NOT NULL,
    next_at BIGINT,
    last_at BIGINT,
    last_run TEXT COLLATE "C",
    PRIMARY KEY (site_id, subject)
);

-- Where notices go. The address and its secrets are encrypted, bound to the id.
CREATE TABLE notice_target (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    sealed TEXT COLLATE "C" NOT NULL,
    kinds TEXT COLLATE "C" NOT NULL,
    enabled BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX notice_target_name ON notice_target (name);

-- What is wrong now, by site and kind: told once, and again when it changes.
CREATE TABLE notice (
    site_id TEXT COLLATE "C" NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    kind TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    data TEXT COLLATE "C" NOT NULL,
    since BIGINT NOT NULL,
    told_at BIGINT,
    PRIMARY KEY (site_id, kind)
);
CREATE TABLE notice_sent (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    target_id TEXT COLLATE "C" NOT NULL,
    site_id TEXT COLLATE "C",
    kind TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    error TEXT COLLATE "C"
);

-- Until when a lease of several machines holds, in Unix milliseconds of the database's clock.
ALTER TABLE lease ADD COLUMN expires_at BIGINT;

-- Who asked that the run ends early. Whoever holds it looks.
ALTER TABLE run ADD COLUMN cancelled_by TEXT COLLATE "C";

-- The number that the newest event of all runs has. It is taken within the transaction that stores the event, and
-- whoever takes it next waits for that one's end: numbers become visible in their order, and a reader skips none.
CREATE TABLE feed (
    last BIGINT NOT NULL
);
INSERT INTO feed (last) VALUES (0);

-- The event's number over all runs; 0 for one of an older schema.
ALTER TABLE event ADD COLUMN feed BIGINT NOT NULL DEFAULT 0;
CREATE INDEX event_by_feed ON event (feed);
