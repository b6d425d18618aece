UPDATE run SET verified = '{"page":{"otherwise":[["a","model_ratio","2","1"]],"shown":1,"not_shown":["b"]}}' WHERE id = 'r2';
