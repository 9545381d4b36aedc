"""What runs on deploy: applies the compiled migrations, then provisions the grantees' database roles."""
