INSERT INTO notice_target VALUES ('ops', 'ops', 'webhook', '00', '[]', 1, 1790000000020);
INSERT INTO notice_sent VALUES ('n2', 'ops', 's1', 'r2', 'failed', 1790000000040, NULL, 1, 'HTTP status 503', 'models', 'new', '[{"about":"run","what":{"failed":"{\"kind\":\"timeout\",\"detail\":\"\"}"}}]', 1790000000060);
