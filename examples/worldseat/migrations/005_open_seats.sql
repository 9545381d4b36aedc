INSERT INTO seats (seat_id, round)
SELECT chr(64 + line) || seat, '00000000-0000-0000-0000-000000000000'
FROM generate_series(1, 8) AS line, generate_series(1, 12) AS seat;
