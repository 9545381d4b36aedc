CREATE TABLE accounts7 (
    id             INT,
    account_type   VARCHAR(20),    -- savings, checking
    region_code    CHAR(2),        -- US, UK, DE, FR
    status         VARCHAR(10),    -- active, inactive
    created_at     TIMESTAMP DEFAULT now(),
    balance        DECIMAL(10, 2),
    metadata_key   VARCHAR(50),    -- account_tier_1 to account_tier_10
    metadata_value TEXT,
    PRIMARY KEY (id, created_at)
);
