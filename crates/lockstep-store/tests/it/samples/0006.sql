INSERT INTO source (site_id, name, position, spec, id, user_id) VALUES ('s1', 'lists', 2, 'upload:lists', 'u1', NULL);
UPDATE source SET user_id = '7' WHERE name = 'mine';
INSERT INTO source_secret VALUES ('s1:mine', 'token', '6465666768696a6b6c6d6e6f707172737475767778797a7bb9c343d233563d5c07a0f35a44282569379c0a29686641bf99cc73a6a5362473e6e104');
INSERT INTO source_secret VALUES ('s1:mine', 'header:x-key', '82838485868788898a8b8c8d8e8f909192939495969798996730cf7a905e403a8bdc018cf5a507bd9d817cda0df7e2b8911b5ac3d4');
INSERT INTO source_body VALUES ('b2', '{"success":true,"data":{}}');
INSERT INTO source_upload VALUES ('u1', 'b2', 1790000000070, 3);
INSERT INTO source_trouble VALUES ('s1', 'https://mine.example', 'needs_sign_in', 'status code 401', 1790000000080);
