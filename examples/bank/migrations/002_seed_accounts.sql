-- One DML file is one transaction, so it changes at most 3,000 rows.
INSERT INTO accounts (owner, balance)
SELECT 'Customer ' || number, 10000
FROM generate_series(1, 1000) AS number;
