"""The command line `blocks`: local deploys, and migrations of any cluster."""
