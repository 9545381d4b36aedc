-- The function URL of each Region, written by the function itself.
CREATE TABLE regions (region TEXT PRIMARY KEY, url TEXT NOT NULL);
