"""CloudFormation custom resources: requests, responses, deadlines, and continuation in another invocation."""
