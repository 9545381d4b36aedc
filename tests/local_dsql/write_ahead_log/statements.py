"""Random statements on the tables of `schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_FAILS = "INSERT INTO parent (id) VALUES (1), (1)"


def random_statement(random: Random) -> str:
    """Return a statement that changes or locks rows; about one in six fails."""
    few = random.randint(1, 3)
    one, other = random.randint(1, 60), random.randint(1, 60)
    changes = [
        f"INSERT INTO parent (id, code, n) VALUES ({one}, 'r{other}', {few}) ON CONFLICT DO NOTHING",
        f"INSERT INTO parent (id, n) VALUES ({one}, {few}) ON CONFLICT (id) DO UPDATE SET n = {few}",
        f"INSERT INTO parent (id) VALUES ({one}) ON CONFLICT (id) DO UPDATE SET code = parent.code || 'k'",
        f"INSERT INTO parent SELECT i FROM generate_series({one}, {one + few}) i",
        f"UPDATE parent SET n = n + 1 WHERE id BETWEEN {one} AND {one + few}",
        f"UPDATE parent SET code = 'm{other}' WHERE id = {one}",
        f"UPDATE parent SET id = {other} WHERE id = {one}",
        f"UPDATE parent SET code = repeat('w{one}', {random.randint(1, 300)}) WHERE id = {one}",
        f"DELETE FROM parent WHERE id BETWEEN {one} AND {one + few}",
        f"INSERT INTO cascades VALUES ({one}, {other}) ON CONFLICT (id) DO UPDATE SET parent = excluded.parent",
        f"UPDATE cascades SET parent = {other} WHERE id = {one}",
        f"UPDATE cascades SET id = id WHERE parent = {other}",
        f"DELETE FROM cascades WHERE id = {one}",
        f"INSERT INTO nulls VALUES ({one}, {other}) ON CONFLICT DO NOTHING",
        f"UPDATE nulls SET parent = NULL WHERE id < {one}",
        f"INSERT INTO deferred VALUES ({one}, 'c{other}') ON CONFLICT DO NOTHING",
        f"DELETE FROM deferred WHERE id = {one}",
        f"INSERT INTO wide (id, big) VALUES ({one}, repeat('q{other}', {few * 3000})) ON CONFLICT (id) DO UPDATE "
        "SET big = excluded.big",
        f"UPDATE wide SET small = 's{other}' WHERE id = {one}",
        f"UPDATE wide SET big = repeat('b', {few * 2500}) WHERE id = {one}",
        f"DELETE FROM wide WHERE id = {one}",
        f"INSERT INTO ledger SELECT i, 'many' FROM generate_series(1, {one}) i",
        f"DELETE FROM ledger WHERE at = {one}",
        f"UPDATE ledger SET what = what || '.' WHERE at < {few + 1}",
        f"INSERT INTO counted (v) VALUES ({one}), ({other})",
        f"UPDATE counted SET v = v + 1 WHERE id % 7 = {few}",
        f"DELETE FROM counted WHERE id % 11 = {few}",
        f"UPDATE young SET n = {few} WHERE id = {one}",
        f"SELECT note('n{one}')",
        f"MERGE INTO parent p USING generate_series({one}, {one + 4}) i ON p.id = i WHEN MATCHED AND i % 2 = 0 THEN "
        f"UPDATE SET n = {few} WHEN MATCHED AND i % 3 = 0 THEN DELETE WHEN NOT MATCHED THEN INSERT (id) VALUES (i)",
        f"WITH gone AS (DELETE FROM counted WHERE id < {few} RETURNING id) INSERT INTO ledger SELECT id FROM gone",
        f"SELECT FROM parent WHERE id BETWEEN {one} AND {other} "
        f"FOR {random.choice(('KEY SHARE', 'SHARE', 'NO KEY UPDATE', 'UPDATE'))}",
        _FAILS,
    ]
    statement = random.choice(changes)
    if random.random() < 0.15:
        inner = f"{statement}; {random.choice(changes)}"
        return f"SELECT try($code${inner}{'; SELECT 1/0' if random.random() < 0.4 else ''}$code$)"
    return statement
