"""One jsii process for all assemblies of these tests, without the CDK's validator, for speed."""

from __future__ import annotations

import os

# The jsii process reads it at its start, so it must be set before aws_cdk is imported.
os.environ.setdefault("CDK_VALIDATION", "false")
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
