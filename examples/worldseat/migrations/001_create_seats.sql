-- A seat is sold at most once in a round; releasing it begins the next round.
CREATE TABLE seats (
  seat_id TEXT PRIMARY KEY,
  round UUID NOT NULL,
  owner TEXT
);
