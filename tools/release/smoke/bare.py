"""The bare install: the code of both deploy functions is there, and the local DynamoDB serves an AtomicTable."""

import os
import sys
import tempfile

import lambda_migrator.handler
import lambda_peering.handler
from blocks_runtime import AtomicTable, Item
from blocks_runtime.contract import TableVariables
from local_dynamodb import LocalDynamo

assert callable(lambda_migrator.handler.handler)
assert callable(lambda_peering.handler.handler)
assert not {"aws_cdk", "boto3", "postgast"} & sys.modules.keys()

with tempfile.TemporaryDirectory() as folder, LocalDynamo(folder) as dynamo:
    dynamo.create_table("locks")
    os.environ.update(dynamo.environment() | TableVariables("locks", "us-east-1").environment("locks"))
    with AtomicTable("locks") as table:
        table.set(Item("p", "s", 7))
        item = table.get(("p", "s"))
        assert item is not None
        assert item.data == 7
