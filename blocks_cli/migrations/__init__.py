"""What the commands on migrations share: the folder, the database, how states and findings are shown."""
