CREATE INDEX ASYNC events_note ON events (note);
