"""Local Lambda: run functions with their own bundle, layers, environment, identity and runtime client."""
