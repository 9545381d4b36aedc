"""Reader of the cloud assembly that `cdk synth` writes; does not need the CDK."""
