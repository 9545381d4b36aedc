"""The web function of WorldSeat: page, purchases, bursts, and the evidence for what was sold."""
