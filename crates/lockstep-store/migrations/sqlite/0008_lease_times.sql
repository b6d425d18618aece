-- What a write of the lease's holder may take, in milliseconds: whoever comes after him waits so long once it has run out,
-- however long his own may take.
ALTER TABLE lease ADD COLUMN write_ms BIGINT;
