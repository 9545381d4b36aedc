"""The Regions of WorldSeat and the sizes of its bursts, for programs that do not load the CDK."""

HOME, PEER, WITNESS = "us-east-1", "us-east-2", "us-west-2"
"""Region of the database's stack, of its peer's, and of the witness, which runs nothing."""

SIZES = (8, 24, 48, 60)
"""Buyers of the bursts that the page has buttons for."""
