INSERT INTO rooms (number)
SELECT n::text FROM generate_series(101, 120) AS n;
