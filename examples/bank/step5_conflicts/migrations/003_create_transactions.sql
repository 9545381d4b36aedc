CREATE TABLE transactions (
    id       UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    payer_id INT NOT NULL,
    payee_id INT NOT NULL,
    amount   BIGINT NOT NULL,  -- cents
    made_at  TIMESTAMPTZ NOT NULL DEFAULT now()
);
