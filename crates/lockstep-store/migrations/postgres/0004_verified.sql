-- What the gateway's price page said of what the run wrote.
ALTER TABLE run ADD COLUMN verified TEXT;
