CREATE TABLE transactions2 (
    id       UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    payer_id UUID NOT NULL,
    payee_id UUID NOT NULL,
    amount   BIGINT NOT NULL,  -- cents
    made_at  TIMESTAMPTZ NOT NULL DEFAULT now()
);
