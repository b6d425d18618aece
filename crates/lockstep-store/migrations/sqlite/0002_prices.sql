-- One value of one model in one run. A long value is in the texts, by its digest, and its column is empty then.
CREATE TABLE price_change (
    run_id TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    model TEXT NOT NULL,
    field TEXT NOT NULL,
    site_id TEXT NOT NULL,
    old_value TEXT,
    old_hash TEXT,
    new_value TEXT,
    new_hash TEXT,
    source TEXT,
    state TEXT NOT NULL,
    hold TEXT,
    skip TEXT,
    failure TEXT,
    usd_old TEXT,
    usd_new TEXT,
    detail TEXT NOT NULL,
    read_at BIGINT NOT NULL,
    finished_at BIGINT,
    PRIMARY KEY (run_id, model, field)
) WITHOUT ROWID;
CREATE INDEX price_change_by_model ON price_change (site_id, model, run_id);

-- Whole maps, as they were before a run's first write of them and as its last write left them.
CREATE TABLE image (
    run_id TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    option_key TEXT NOT NULL,
    before_hash TEXT NOT NULL,
    after_hash TEXT,
    -- Writes of the map by others while the run wrote, by the gateway's own log.
    others BIGINT NOT NULL,
    PRIMARY KEY (run_id, option_key)
) WITHOUT ROWID;

-- What became of each source of a run, as JSON.
CREATE TABLE run_source (
    run_id TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (run_id, position)
) WITHOUT ROWID;

CREATE TABLE price_hold (
    site_id TEXT NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    model TEXT NOT NULL,
    run_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    digest TEXT NOT NULL,
    since BIGINT NOT NULL,
    source TEXT,
    PRIMARY KEY (site_id, model)
) WITHOUT ROWID;

-- An empty field: the answer is about the whole model. The argument is a digest, or the code of a reason or of a way of
-- billing.
CREATE TABLE price_answer (
    site_id TEXT NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    model TEXT NOT NULL,
    field TEXT NOT NULL,
    kind TEXT NOT NULL,
    argument TEXT NOT NULL,
    answered_by TEXT NOT NULL,
    answered_at BIGINT NOT NULL,
    PRIMARY KEY (site_id, model, field, kind, argument)
) WITHOUT ROWID;

CREATE TABLE source (
    site_id TEXT NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    position BIGINT NOT NULL,
    spec TEXT NOT NULL,
    PRIMARY KEY (site_id, name)
) WITHOUT ROWID;

-- Bodies of price lists by their digest. They are apart from the other texts because they are replaced often, and what
-- is replaced can be found and removed here without reading every run.
CREATE TABLE source_body (
    hash TEXT NOT NULL PRIMARY KEY,
    text TEXT NOT NULL
);

CREATE TABLE source_copy (
    site_id TEXT NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    source_key TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    etag TEXT,
    fetched_at BIGINT NOT NULL,
    models BIGINT NOT NULL,
    PRIMARY KEY (site_id, source_key)
) WITHOUT ROWID;

-- Calls that a host counts, whatever site they were for.
CREATE TABLE source_call (
    host TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX source_call_by_host ON source_call (host, at);

CREATE TABLE price_seen (
    site_id TEXT NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    source TEXT NOT NULL,
    model TEXT NOT NULL,
    digest TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    PRIMARY KEY (site_id, source, model)
) WITHOUT ROWID;

CREATE TABLE price_accepted (
    site_id TEXT NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    model TEXT NOT NULL,
    data TEXT NOT NULL,
    accepted_at BIGINT NOT NULL,
    PRIMARY KEY (site_id, model)
) WITHOUT ROWID;
