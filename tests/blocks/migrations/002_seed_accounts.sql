INSERT INTO accounts (balance) VALUES (100);
