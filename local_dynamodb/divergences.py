"""Registry of the known differences between the local DynamoDB and Amazon DynamoDB.

Tests that show a difference cite its id; `python -m local_dynamodb.divergences` prints the list for the documentation.
"""

from __future__ import annotations

from local_dsql.divergences import Divergence

DIVERGENCES: tuple[Divergence, ...] = (
    Divergence(
        "one-request-at-a-time",
        "Requests are carried out one after the other, so that transactions never meet each other.",
        "One lock is the simplest proof that they are serializable.",
        "TransactionConflict comes only by fault injection; on AWS it comes under load.",
    ),
    Divergence(
        "never-throttled",
        "No request is throttled, and no item of a batch left unprocessed, without fault injection.",
        "Capacity depends on partitions, which there are none of here.",
        "Inject `Throttling` and `unprocessed` in tests.",
    ),
    Divergence(
        "reads-never-stale",
        "A read that is not consistent sees the newest write, without fault injection.",
        "There is one copy of an item in a Region.",
        "Inject `stale-read` in tests of code that reads with `consistent=False`.",
    ),
    Divergence(
        "ttl-on-request",
        "Items whose time to live has passed stay until `delete_expired` is called.",
        "DynamoDB deletes them within days, at no fixed time.",
        "Code must not see expired items by itself, as `AtomicTable` does.",
    ),
    Divergence(
        "no-indexes",
        "Secondary indexes, streams, PartiQL, parallel scans, backups and legacy parameters are refused.",
        "`AtomicTable` does not use them.",
        "Test such code against a table on AWS, or another emulator.",
    ),
    Divergence(
        "signature-not-checked",
        "The signature of a request is not checked. A key of a local deploy is checked for its permissions; any other "
        "key is accepted.",
        "The server knows no secrets.",
        "A wrong secret is noticed on AWS only.",
    ),
    Divergence(
        "no-capacity",
        "ReturnConsumedCapacity and ReturnItemCollectionMetrics are ignored.",
        "Capacity is not counted.",
        "Measure cost on AWS.",
    ),
    Divergence(
        "texts-of-errors",
        "Codes and reasons of errors are DynamoDB's; some texts of validation errors differ in detail, and of several "
        "faults in one request another one may be named.",
        "They are documented only in part.",
        "Do not compare texts.",
    ),
    Divergence(
        "rarely-refused",
        "Accepted are `attribute_type` of a value, `if_not_exists` of a path with itself, and placeholders of more "
        "than 2 MB.",
        "The sources about DynamoDB do not agree on the first two.",
        "DynamoDB may answer with a ValidationException.",
    ),
    Divergence(
        "tables-unread",
        "CreateTable reads the name and the key: a name may have fewer than three characters, and billing, throughput, "
        "encryption and tags are not checked.",
        "Items do not depend on them.",
        "Check the definition of a table on AWS.",
    ),
    Divergence(
        "ttl-at-once",
        "UpdateTimeToLive takes effect at once, and any number of times.",
        "There is no process for which a change waits.",
        "DynamoDB refuses a second change within an hour, and one that changes nothing.",
    ),
    Divergence(
        "replication-by-clock",
        "Of two writes in two Regions the later one wins by the clock of this machine.",
        "DynamoDB's clocks are its own.",
        "Both lose a write in the same cases; which one is lost may differ.",
    ),
)


def markdown() -> str:
    """Return the list for the documentation."""
    head = "| id | difference | reason | consequence |\n|---|---|---|---|"
    rows = [f"| `{each.id}` | {each.sentence} | {each.reason} | {each.consequence} |" for each in DIVERGENCES]
    return "\n".join([head, *rows])


if __name__ == "__main__":
    print(markdown())
