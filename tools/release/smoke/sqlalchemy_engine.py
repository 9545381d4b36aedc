"""The extra `sqlalchemy`: an engine of the runtime's database answers."""

import sqlalchemy

from blocks_runtime import DistributedDatabase

with DistributedDatabase("main") as db, db.sqlalchemy_engine().connect() as connection:
    assert connection.execute(sqlalchemy.text("SELECT 7")).scalar_one() == 7
