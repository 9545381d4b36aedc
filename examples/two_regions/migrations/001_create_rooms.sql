CREATE TABLE rooms (number TEXT PRIMARY KEY, guest TEXT);
