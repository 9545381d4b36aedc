-- A row for each sale. Nothing updates or deletes it, and no constraint stops a second sale: the count is the evidence.
CREATE TABLE ledger (
  id UUID PRIMARY KEY,
  round UUID NOT NULL,
  seat_id TEXT NOT NULL,
  buyer TEXT NOT NULL,
  region TEXT NOT NULL,
  attempts INT NOT NULL,
  sold_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
