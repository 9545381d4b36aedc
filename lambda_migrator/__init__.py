"""The migration function: applies the compiled migrations on deploy, then provisions the database roles of grantees."""
