-- `bank keys` opens accounts in this table, and in the next one.
CREATE TABLE opened_integer (
    id      BIGINT PRIMARY KEY,
    balance BIGINT NOT NULL
);
