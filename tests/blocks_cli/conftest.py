"""One jsii process for all assemblies these tests synthesize, with the CDK's validator off for speed."""

from __future__ import annotations

import os

# Read by the jsii process when it starts, so before anything imports aws_cdk.
os.environ.setdefault("CDK_VALIDATION", "false")
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
