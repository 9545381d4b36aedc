CREATE TABLE accounts (
    id      INT PRIMARY KEY,
    balance BIGINT NOT NULL  -- cents
);
