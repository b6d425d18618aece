-- A source has an id, which what belongs to it is bound to. One of before is known by what it was known by.
ALTER TABLE source ADD COLUMN id TEXT;
UPDATE source SET id = site_id || ':' || name;
CREATE UNIQUE INDEX source_by_id ON source (id);
-- The user of that site whom its access token belongs to.
ALTER TABLE source ADD COLUMN user_id TEXT;

-- What lets us into a source, encrypted: its access token under the name `token`, or a header under `header:` and its
-- name.
CREATE TABLE source_secret (
    source_id TEXT NOT NULL REFERENCES source (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    sealed TEXT NOT NULL,
    PRIMARY KEY (source_id, name)
) WITHOUT ROWID;

-- The list of a source that somebody uploaded. Its body is among those of copies.
CREATE TABLE source_upload (
    source_id TEXT NOT NULL PRIMARY KEY REFERENCES source (id) ON DELETE CASCADE,
    body_hash TEXT NOT NULL,
    uploaded_at BIGINT NOT NULL,
    models BIGINT NOT NULL
) WITHOUT ROWID;

-- Why no list came, of an address that gave none since.
CREATE TABLE source_trouble (
    site_id TEXT NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    source_key TEXT NOT NULL,
    state TEXT NOT NULL,
    detail TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (site_id, source_key)
) WITHOUT ROWID;
