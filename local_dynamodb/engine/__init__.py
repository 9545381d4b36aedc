"""DynamoDB's operations on items in SQLite: expressions, conditions, transactions, limits."""
