"""The constructs of `AtomicTable`: a DynamoDB table with its grants and alarms."""
