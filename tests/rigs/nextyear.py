"""The release after this one, with two migrations more. As a program, with the data folder: it brings the data to its
tables, commits an event, and breaks down before it serves."""

import sys
from pathlib import Path

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from gateway import dbfile, migrations, rekey
from gateway.core.model import Event

WAYS = {
    "bonus": ("DROP INDEX bonus_age", "DROP TABLE bonus"),
    "colour": ("ALTER TABLE member DROP COLUMN colour",),
}


def migrations_then() -> Migrations:
    more = Migrations("gateway")
    for migration in migrations.gateway.pending(Database(memory=True)):
        more(name=migration.name)(migration.fn)

    @more()
    def bonus(db: Database) -> None:
        db.execute("CREATE TABLE bonus (bonus_id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL)")
        db.execute("CREATE INDEX bonus_age ON bonus (at_ms)")

    @more()
    def colour(db: Database) -> None:
        db.execute("ALTER TABLE member ADD COLUMN colour TEXT NOT NULL DEFAULT ''")

    return more


def main(data_dir: Path) -> int:
    migrations.gateway, migrations.WAYS_BACK = migrations_then(), WAYS
    tx = dbfile.open_file(data_dir / dbfile.DATABASE, rekey.root_key(data_dir))
    with tx.db.atomic():
        tx.emit(Event("profiles.wiped", 1_800_000_000_000, {"members": 4_711}))
    tx.db.execute("INSERT INTO bonus VALUES ('b', 1)")
    tx.db.close()
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
