UPDATE lease SET write_ms = 15000;
