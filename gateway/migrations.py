"""All DDL of the gateway's database, as ordered migrations: after a release nothing here changes, it only grows."""

from contextlib import closing

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from gateway.errors import ConfigError

gateway = Migrations("gateway")

NEWER = "the database was written by a newer release ({names}); install that release or restore an older backup"


@gateway()
def first_schema(db: Database) -> None:
    """Members, credentials, the consent log, the catalogue, decisions and the outbox."""
    # AUTOINCREMENT: a number is never given twice, also after the acknowledged rows are deleted.
    for statement in (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE member (member_id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
        """CREATE TABLE credential (credential_id TEXT PRIMARY KEY, member_id TEXT NOT NULL, kind TEXT NOT NULL,
           secret BLOB NOT NULL, exponent INTEGER NOT NULL, clock_zero_s INTEGER NOT NULL) WITHOUT ROWID""",
        "CREATE INDEX credential_member ON credential (member_id)",
        """CREATE TABLE consent (event_id TEXT PRIMARY KEY, member_id TEXT NOT NULL, purpose TEXT NOT NULL,
           state TEXT NOT NULL, given_at_ms INTEGER NOT NULL, valid_until_ms INTEGER, hq_seq INTEGER NOT NULL,
           notice_version TEXT NOT NULL, channel TEXT NOT NULL) WITHOUT ROWID""",
        "CREATE INDEX consent_member ON consent (member_id)",
        "CREATE TABLE offer (offer_id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
        """CREATE TABLE decision (decision_id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, trigger TEXT NOT NULL,
           member_id TEXT NOT NULL, zone TEXT NOT NULL, screen TEXT NOT NULL, offer_id TEXT,
           reasons TEXT NOT NULL, hq_version INTEGER NOT NULL) WITHOUT ROWID""",
        "CREATE INDEX decision_member ON decision (member_id, at_ms)",
        """CREATE TABLE outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, type TEXT NOT NULL,
           body TEXT NOT NULL)""",
    ):
        db.execute(statement)


@gateway()
def learned_clocks(db: Database) -> None:
    """How far a beacon's clock was found to be off, so that a restart does not lose it."""
    db.execute("ALTER TABLE credential ADD COLUMN offset_s INTEGER NOT NULL DEFAULT 0")


@gateway()
def taps_and_keys(db: Database) -> None:
    """What makes a proof count once, terminal keys as they were sealed for us, and one-time codes that wait."""
    for statement in (
        """CREATE TABLE tap_guard (key BLOB PRIMARY KEY, member_id TEXT NOT NULL, count INTEGER NOT NULL,
           until_ms INTEGER) WITHOUT ROWID""",
        "CREATE INDEX tap_guard_member ON tap_guard (member_id)",
        """CREATE TABLE terminal_key (key_id TEXT PRIMARY KEY, use TEXT NOT NULL, from_ms INTEGER NOT NULL,
           until_ms INTEGER, sealed BLOB NOT NULL) WITHOUT ROWID""",
        """CREATE TABLE binding (binding_id TEXT PRIMARY KEY, member_id TEXT NOT NULL, code BLOB NOT NULL UNIQUE,
           valid_until_ms INTEGER NOT NULL) WITHOUT ROWID""",
        "CREATE INDEX binding_member ON binding (member_id)",
    ):
        db.execute(statement)


@gateway()
def audit_and_ageing(db: Database) -> None:
    """Who looked at whom, since when each row is surely here, and what stays of old decisions: counts."""
    for statement in (
        """CREATE TABLE audit (seq INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL,
           kept_from_ms INTEGER NOT NULL, member_id TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
           purpose TEXT NOT NULL, detail TEXT NOT NULL)""",
        "CREATE INDEX audit_member ON audit (member_id, seq)",
        "CREATE INDEX audit_age ON audit (kept_from_ms)",
        "ALTER TABLE decision ADD COLUMN kept_from_ms INTEGER NOT NULL DEFAULT 0",
        "UPDATE decision SET kept_from_ms = at_ms",
        "CREATE INDEX decision_age ON decision (kept_from_ms, screen)",
        """CREATE TABLE decision_day (day_ms INTEGER NOT NULL, zone TEXT NOT NULL, screen TEXT NOT NULL,
           trigger TEXT NOT NULL, offer_id TEXT NOT NULL, count INTEGER NOT NULL,
           UNIQUE (day_ms, zone, screen, trigger, offer_id))""",
    ):
        db.execute(statement)


def migrate(db: Database) -> None:
    """Bring `db` to this release. Raises ConfigError if a newer release wrote it."""
    with closing(Database(memory=True)) as blank:
        ours = {migration.name for migration in gateway.pending(blank)}
    newer = {migration.name for migration in gateway.applied(db)} - ours
    if newer:
        raise ConfigError(NEWER.format(names=", ".join(sorted(newer))))
    gateway.apply(db)
