-- A file that changes rows is one transaction, so it changes at most 3,000 of them.
INSERT INTO accounts (id, balance)
SELECT number, 10000
FROM generate_series(1, 1000) AS number
ON CONFLICT (id) DO NOTHING;
