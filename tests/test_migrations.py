"""Migrations: a fresh file gets the whole schema, a current one is left alone, a newer one is refused."""

import pytest
from sqlite_utils import Database

from gateway import migrations
from gateway.core.streams import TYPES, Stream, stream_of
from gateway.errors import ConfigError
from gateway.migrations import gateway, migrate

# What a release has written must be readable for ever: names are added at the end, never changed.
RELEASED = [
    "first_schema",
    "learned_clocks",
    "taps_and_keys",
    "sealed_at_rest",
    "consent_chain",
    "erasures",
    "audit_and_ageing",
    "answers_to_offers",
    "purchases",
    "learning",
    "redemptions",
    "decision_inputs",
    "segment_rules",
    "stock",
    "points",
    "prices_and_baskets",
    "handover",
    "devices",
    "content",
    "plays",
    "colleagues",
    "commands",
    "streams",
    "outbox_numbers",
    "trials",
    "snapshots",
    "copies",
]
# From here on each has its way back, by which the release before goes on with the file.
FIRST_WITH_A_WAY = RELEASED.index("copies")


@pytest.fixture
def db():
    one = Database(memory=True)
    yield one
    one.close()


def test_every_migration_runs_once_in_order(db: Database) -> None:
    migrate(db)
    migrate(db)
    assert [migration.name for migration in gateway.applied(db)] == RELEASED


def test_the_schema_is_complete(db: Database) -> None:
    migrate(db)
    assert {"meta", "member", "credential", "consent", "offer", "decision", "outbox"} | {
        "consent_head",
        "consent_parked",
        "notice",
    } <= set(db.table_names())


def test_what_waited_before_there_were_streams_finds_its_own(db: Database) -> None:
    gateway.apply(db, stop_before="streams")
    db["meta"].insert({"key": "acked_seq", "value": "7"})
    kinds = [kind for kinds in TYPES.values() for kind in kinds if kind != "outbox.gap"]
    for seq, kind in enumerate(kinds, start=8):
        db["outbox"].insert({"seq": seq, "at_ms": 1, "type": kind, "body": b""})
    migrate(db)
    found = db.execute("SELECT type, stream FROM outbox ORDER BY seq").fetchall()
    assert found == [(kind, stream_of(kind).number) for kind in kinds]
    kept = dict(db.execute("SELECT key, value FROM meta WHERE key LIKE 'acked%' OR key LIKE 'last%'").fetchall())
    assert kept == {f"acked_seq.{stream}": "7" for stream in Stream} | {"last_number": str(7 + len(kinds))}


def test_a_newer_file_is_refused_with_its_name(db: Database) -> None:
    migrate(db)
    db["_sqlite_migrations"].insert({"migration_set": "gateway", "name": "of_2030", "applied_at": ""})
    with pytest.raises(ConfigError, match="newer release \\(of_2030\\)"):
        migrate(db)


def lacking(names: list[str], ways: dict[str, tuple[str, ...]]) -> list[str]:
    """Migrations without a way back, and ways without a migration."""
    return sorted(set(names[FIRST_WITH_A_WAY:]) ^ ways.keys())


def test_every_migration_from_now_on_has_its_way_back(db: Database) -> None:
    migrate(db)
    assert lacking([migration.name for migration in gateway.applied(db)], migrations.WAYS_BACK) == []
    assert lacking([*RELEASED, "of_2030"], migrations.WAYS_BACK) == ["of_2030"]


def test_every_way_back_leads_to_the_tables_that_were() -> None:
    for name in migrations.WAYS_BACK:
        before, after = Database(memory=True), Database(memory=True)
        gateway.apply(before, stop_before=name)
        gateway.apply(after, stop_before=name)
        (migration,) = [one for one in gateway.pending(after) if one.name == name]
        migration.fn(after)
        for statement in migrations.WAYS_BACK[name]:
            after.execute(statement)
        assert after.schema == before.schema, name
