"""CloudFormation custom resource protocol: request, response, deadline, re-invocation."""
