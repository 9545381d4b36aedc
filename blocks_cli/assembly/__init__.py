"""The synthesized cloud assembly: what `cdk synth` leaves behind, read without the CDK."""
