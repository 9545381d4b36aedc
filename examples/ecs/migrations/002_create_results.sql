CREATE TABLE results (
    job uuid PRIMARY KEY,
    outcome text NOT NULL
);
