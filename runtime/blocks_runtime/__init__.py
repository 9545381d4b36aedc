"""What an app Lambda imports to talk to Aurora DSQL."""
