INSERT INTO meta VALUES ('key_proof', 'ad92b3bf8296b61e0f1b145e0b8cce107712cd57b839955cf9a0395dcbad211a04b31412f4b211d1391f12cc51686c9c');
INSERT INTO site VALUES ('s1', 'main', 'https://gateway.example', '1', 'https://console.example', 1,
    '["10.0.0.0/8"]', '{"policy":"mirror"}', 1, 1790000000000, '511393ed15335d85b1fbedadfa07c6303aeaf52d0ba41cf806270f3cacadd133d29a47351f4a419f98e097ba479d055658caeb96');
INSERT INTO channel_override VALUES ('s1', 7, '{"policy":"add-only","keep":["a"],"include":["gpt-*"],"allowed":["run_brake"]}');
INSERT INTO provider_override VALUES ('s1', 1, 'https://provider.example', '{"exclude":["regex:^x"]}');
INSERT INTO lease VALUES ('https://gateway.example', 'r1', 4, 1790000000000);
INSERT INTO run VALUES ('r1', NULL, 's1', 'https://gateway.example', 'models', 'partial', 'command', 'root', 1, 0,
    '[1,2]', '[["policy","mirror"]]', NULL, 'ph', 'plan', 1790000000000, 1790000000001, 1790000000002, 'root',
    1790000000003, 3, 1, 0, '{"kind":"server_error","status":502,"detail":"bad gateway"}', 4, 2,
    '[["applied",false,1],["held",true,1]]');
INSERT INTO blob VALUES ('h1', 'a,b'), ('h2', 'a,b,c'), ('h3', 'a
b
c'), ('h4', '{"held_remove":["b"],"kept":[["b","held"]],"dropped":[["c","alias_target"]],"notes":[{"renamed":["a","A"]},"broken_mapping",{"last_server":["b"]},{"offer_never_sync":5}]}');
INSERT INTO change VALUES ('r1', 1, 's1', 'models', 'one', 1, 'https://provider.example', 0, 'base', 'h1', 'h2', 'h3',
    'applied', NULL, NULL, NULL, '{}', 2, 200, 1790000000001, 1790000000003);
INSERT INTO change VALUES ('r1', 2, 's1', 'models', 'two', 1, 'https://provider.example', 0, 'base', 'h1', NULL, 'h3',
    'held', '{"code":"too_many_removed","count":1,"of":2,"limit":3,"names":["b"]}', NULL, NULL, 'h4', 1, NULL,
    1790000000001, NULL);
INSERT INTO hold VALUES ('s1', 2, 'two', 'r1', '{"code":"too_many_removed","count":1,"of":2,"limit":3}', '', 'b',
    1790000000001, 'digest');
INSERT INTO memory VALUES ('s1', 1, 'h3', 'h3',
    '{"yours":["mine"],"taken_out":["out"],"good_size":3,"missing":{"b":1790000000000},"failures":["timeout",2],"kept":"digest"}');
INSERT INTO event VALUES ('r1', 1, 1790000000000, 'run_state', '{"state":"queued"}'),
    ('r1', 2, 1790000000001, 'item', '{"channel_id":1}'), ('r1', 3, 1790000000002, 'throttled', '{"until":1}');
