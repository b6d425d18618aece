UPDATE run SET settled_as = 'reading' WHERE id = 'r2';
