-- What is to be sent is stored with what it tells of. From `due_at` on it may be taken, which puts `due_at` off for as
-- long as sending may take; without it nothing more is to be done. `data` is what it says, as JSON, until then.
ALTER TABLE notice_sent ADD COLUMN subject TEXT COLLATE "C";
ALTER TABLE notice_sent ADD COLUMN telling TEXT COLLATE "C";
ALTER TABLE notice_sent ADD COLUMN data TEXT COLLATE "C";
ALTER TABLE notice_sent ADD COLUMN due_at BIGINT;
DROP INDEX notice_sent_once;
CREATE INDEX notice_sent_due ON notice_sent (target_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notice_sent_of ON notice_sent (site_id, run_id);
