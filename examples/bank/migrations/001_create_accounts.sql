CREATE TABLE accounts (
    id      UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    owner   TEXT NOT NULL,
    balance BIGINT NOT NULL CHECK (balance >= 0)  -- cents
);
