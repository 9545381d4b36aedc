"""Run Lambda functions as Lambda does: their own bundle, layers, environment, identity and runtime client."""
