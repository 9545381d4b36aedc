CREATE INDEX ASYNC ledger_by_round ON ledger (round, seat_id);
