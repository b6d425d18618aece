INSERT INTO run VALUES ('r2', NULL, 's1', 'https://gateway.example', 'prices', 'done', 'command', 'root', 1, 0,
    NULL, '[["policy","mirror"]]', NULL, 'ph', 'plan', 1790000000010, 1790000000011, 1790000000012, 'root',
    1790000000013, 3, 1, 0, NULL, 5, 2, '[["applied+same",false,1],["held",true,1]]');
INSERT INTO blob VALUES ('p1', 'p * 2 + c * 8'), ('p2', '{"a": 1.50}'), ('p3', '{"a": 2}'),
    ('p4', '{"formula":[["recharge","7.2"]],"others":[["other","3"]],"kind_old":"per_token","kind_new":"expression"}');
INSERT INTO price_change VALUES ('r2', 'a', 'model_ratio', 's1', '1.50', NULL, '2', NULL, 'official', 'applied', NULL,
    NULL, NULL, '{"input":"3.0"}', '{"input":"4.0","output":"8.0","cache_read":"0.4","cache_write":"5.0"}', '{}',
    1790000000011, 1790000000013);
INSERT INTO price_change VALUES ('r2', 'a', 'cache_ratio', 's1', '0.1', NULL, '0.1', NULL, NULL, 'same', NULL, NULL,
    NULL, NULL, NULL, '{}', 1790000000011, NULL);
INSERT INTO price_change VALUES ('r2', 'b', 'billing_expr', 's1', NULL, NULL, NULL, 'p1', 'official', 'held',
    '{"code":"kind_change"}', '{"code":"locked"}', '{"kind":"rejected","detail":"no"}', NULL, '{"per_call":"0.04"}', 'p4',
    1790000000011, NULL);
INSERT INTO image VALUES ('r2', 'ModelRatio', 'p2', 'p3', 0), ('r2', 'CacheRatio', 'p2', NULL, 1);
INSERT INTO price_hold VALUES ('s1', 'b', 'r2', '{"code":"kind_change"}', 'digest', 1790000000011, 'official');
INSERT INTO price_answer VALUES ('s1', 'a', '', 'lock', '', 'root', 1790000000010),
    ('s1', 'a', '', 'keep_kind', 'per_token', 'root', 1790000000010),
    ('s1', 'a', '', 'ignore', '', 'root', 1790000000010),
    ('s1', 'a', 'cache_ratio', 'keep', 'digest', 'root', 1790000000010),
    ('s1', 'a', 'cache_ratio', 'allow', 'tenfold', 'root', 1790000000010);
INSERT INTO source VALUES ('s1', 'official', 0, 'official'), ('s1', 'mine', 1, 'https://mine.example,multiplier=1.1');
INSERT INTO source_body VALUES ('b1', '{"success":true}');
INSERT INTO source_copy VALUES ('s1', 'key', 'b1', 'W/"1"', 1790000000010, 7);
INSERT INTO source_call VALUES ('mine.example', 1790000000010);
INSERT INTO price_seen VALUES ('s1', 'official', 'a', 'digest', 1790000000010);
INSERT INTO price_accepted VALUES ('s1', 'a', '{"billing_mode":"tiered_expr","model_ratio":"2"}', 1790000000013);
