-- Built in the background by DSQL; the deploy waits until the index is valid.
CREATE INDEX ASYNC accounts_owner_idx ON accounts (owner);
