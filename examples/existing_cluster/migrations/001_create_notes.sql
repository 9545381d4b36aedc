CREATE TABLE notes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    text text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now()
);
