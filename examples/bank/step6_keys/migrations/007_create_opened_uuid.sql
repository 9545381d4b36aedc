CREATE TABLE opened_uuid (
    id      UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    balance BIGINT NOT NULL
);
