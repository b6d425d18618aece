-- The state of a run in which what it found was last settled, to be told; of one that nobody is told of there is none.
-- A run that came to rest in another state since is still to be settled.
ALTER TABLE run ADD COLUMN settled_as TEXT;
CREATE INDEX run_unsettled ON run (id) WHERE settled_as <> state;
