CREATE TABLE accounts2 (
    id      UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    balance BIGINT NOT NULL  -- cents
);
