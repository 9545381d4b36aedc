CREATE TABLE events (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), note TEXT NOT NULL);
