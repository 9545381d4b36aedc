-- The first attempt: half of all accounts have each type.
CREATE INDEX ASYNC idx_accounts7_type ON accounts7 (account_type);
