-- One value of one model in one run. A long value is in the texts, by its digest, and its column is empty then.
CREATE TABLE price_change (
    run_id TEXT COLLATE "C" NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    model TEXT COLLATE "C" NOT NULL,
    field TEXT COLLATE "C" NOT NULL,
    site_id TEXT COLLATE "C" NOT NULL,
    old_value TEXT COLLATE "C",
    old_hash TEXT COLLATE "C",
    new_value TEXT COLLATE "C",
    new_hash TEXT COLLATE "C",
    source TEXT COLLATE "C",
    state TEXT COLLATE "C" NOT NULL,
    hold TEXT COLLATE "C",
    skip TEXT COLLATE "C",
    failure TEXT COLLATE "C",
    usd_old TEXT COLLATE "C",
    usd_new TEXT COLLATE "C",
    detail TEXT COLLATE "C" NOT NULL,
    read_at BIGINT NOT NULL,
    finished_at BIGINT,
    PRIMARY KEY (run_id, model, field)
);
CREATE INDEX price_change_by_model ON price_change (site_id, model, run_id);

-- Whole maps, as they were before a run's first write of them and as its last write left them.
CREATE TABLE image (
    run_id TEXT COLLATE "C" NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    option_key TEXT COLLATE "C" NOT NULL,
    before_hash TEXT COLLATE "C" NOT NULL,
    after_hash TEXT COLLATE "C",
    -- Writes of the map by others while the run wrote, by the gateway's own log.
    others BIGINT NOT NULL,
    PRIMARY KEY (run_id, option_key)
);

-- What became of each source of a run, as JSON.
CREATE TABLE run_source (
    run_id TEXT COLLATE "C" NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    data TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (run_id, position)
);

CREATE TABLE price_hold (
    site_id TEXT COLLATE "C" NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    model TEXT COLLATE "C" NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    since BIGINT NOT NULL,
    source TEXT COLLATE "C",
    PRIMARY KEY (site_id, model)
);

-- An empty field: the answer is about the whole model. The argument is a digest, or the code of a reason or of a way of
-- billing.
CREATE TABLE price_answer (
    site_id TEXT COLLATE "C" NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    model TEXT COLLATE "C" NOT NULL,
    field TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    argument TEXT COLLATE "C" NOT NULL,
    answered_by TEXT COLLATE "C" NOT NULL,
    answered_at BIGINT NOT NULL,
    PRIMARY KEY (site_id, model, field, kind, argument)
);

CREATE TABLE source (
    site_id TEXT COLLATE "C" NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL,
    spec TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (site_id, name)
);

-- Bodies of price lists by their digest. They are apart from the other texts because they are replaced often, and what
-- is replaced can be found and removed here without reading every run.
CREATE TABLE source_body (
    hash TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    text TEXT COLLATE "C" NOT NULL
);

CREATE TABLE source_copy (
    site_id TEXT COLLATE "C" NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    source_key TEXT COLLATE "C" NOT NULL,
    body_hash TEXT COLLATE "C" NOT NULL,
    etag TEXT COLLATE "C",
    fetched_at BIGINT NOT NULL,
    models BIGINT NOT NULL,
    PRIMARY KEY (site_id, source_key)
);

-- Calls that a host counts, whatever site they were for.
CREATE TABLE source_call (
    host TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX source_call_by_host ON source_call (host, at);

CREATE TABLE price_seen (
    site_id TEXT COLLATE "C" NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    source TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    first_seen BIGINT NOT NULL,
    PRIMARY KEY (site_id, source, model)
);

CREATE TABLE price_accepted (
    site_id TEXT COLLATE "C" NOT NULL REFERENCES site (id) ON DELETE CASCADE,
    model TEXT COLLATE "C" NOT NULL,
    data TEXT COLLATE "C" NOT NULL,
    accepted_at BIGINT NOT NULL,
    PRIMARY KEY (site_id, model)
);
