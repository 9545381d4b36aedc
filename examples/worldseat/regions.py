"""The Regions of WorldSeat, for programs that do not load the CDK."""

HOME, PEER, WITNESS = "us-east-1", "us-east-2", "us-west-2"
"""Region of the database's stack, of its peer's, and of the witness, which runs nothing."""
