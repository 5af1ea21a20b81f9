"""The first of the gateway's migrations, up to what members bought; nothing here changes, gateway.migrations grows."""

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

gateway = Migrations("gateway")


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
def sealed_at_rest(db: Database) -> None:
    """Personal fields are sealed from now on, under keys that lie here wrapped.

    What was in clear before is thrown away; headquarters sends all of it again, because we have version 0 of its line.
    Events that it has not confirmed stay: `dbfile` seals them once there are keys, and then rewrites the file.
    """
    for statement in (
        """CREATE TABLE data_key (key_id INTEGER PRIMARY KEY AUTOINCREMENT, use TEXT NOT NULL, wrapped BLOB NOT NULL,
           made_ms INTEGER NOT NULL)""",
        "DROP TABLE member",
        "CREATE TABLE member (member_id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID",
        "DELETE FROM credential",
        "DELETE FROM consent",
        "ALTER TABLE outbox ADD COLUMN member_id TEXT",
        "UPDATE outbox SET member_id = json_extract(body, '$.member_id')",
        "INSERT INTO meta SELECT 'clear_left', '1' WHERE EXISTS (SELECT 1 FROM meta)",
        "DELETE FROM meta WHERE key = 'hq_version'",
    ):
        db.execute(statement)


@gateway()
def consent_chain(db: Database) -> None:
    """The consent log as a chain for each member, with its head apart, and the records that wait.

    The chain can't be made for entries that were written without one, so headquarters sends everything anew.
    """
    for statement in (
        "DROP TABLE consent",
        """CREATE TABLE consent (member_id TEXT NOT NULL, number INTEGER NOT NULL, ends_ms INTEGER, body BLOB NOT NULL,
           prev BLOB NOT NULL, mac BLOB NOT NULL, PRIMARY KEY (member_id, number)) WITHOUT ROWID""",
        "CREATE INDEX consent_ends ON consent (ends_ms) WHERE ends_ms IS NOT NULL",
        """CREATE TABLE consent_head (member_id TEXT PRIMARY KEY, body BLOB NOT NULL, mac BLOB NOT NULL)
           WITHOUT ROWID""",
        """CREATE TABLE consent_parked (member_id TEXT NOT NULL, event_id TEXT NOT NULL, reason TEXT NOT NULL,
           denies INTEGER NOT NULL, place INTEGER NOT NULL, parked_at_ms INTEGER NOT NULL, body BLOB NOT NULL,
           PRIMARY KEY (member_id, event_id, reason)) WITHOUT ROWID""",
        """CREATE TABLE notice (version TEXT NOT NULL, language TEXT NOT NULL, sha256 TEXT NOT NULL,
           PRIMARY KEY (version, language)) WITHOUT ROWID""",
        """CREATE TRIGGER consent_stays BEFORE UPDATE ON consent
           BEGIN SELECT RAISE(ABORT, 'the consent log is append-only'); END""",
        # A log goes with its head, as in an erasure; without the head nothing of it counts any more.
        """CREATE TRIGGER consent_goes_whole BEFORE DELETE ON consent
           WHEN EXISTS (SELECT 1 FROM consent_head WHERE member_id = OLD.member_id)
           BEGIN SELECT RAISE(ABORT, 'the consent log is append-only'); END""",
        "DELETE FROM meta WHERE key = 'hq_version'",
    ):
        db.execute(statement)


@gateway()
def erasures(db: Database) -> None:
    """Who was erased, as keyed hashes; `places`: what was cleared, as JSON."""
    db.execute(
        """CREATE TABLE erasure (digest BLOB PRIMARY KEY, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL,
           places TEXT NOT NULL) WITHOUT ROWID"""
    )


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


@gateway()
def answers_to_offers(db: Database) -> None:
    """What members answered to offers and met beyond screens, and an index that finds what they were shown."""
    for statement in (
        """CREATE TABLE contact (member_id TEXT NOT NULL, decision_id TEXT NOT NULL, offer_id TEXT NOT NULL,
           what TEXT NOT NULL, at_ms INTEGER NOT NULL, placement TEXT NOT NULL, kept_from_ms INTEGER NOT NULL,
           PRIMARY KEY (member_id, decision_id, offer_id, what)) WITHOUT ROWID""",
        "CREATE INDEX contact_age ON contact (kept_from_ms)",
        """CREATE INDEX decision_shown ON decision (member_id, at_ms, offer_id, trigger, screen)
           WHERE offer_id IS NOT NULL""",
    ):
        db.execute(statement)


@gateway()
def purchases(db: Database) -> None:
    """What members bought, as far as headquarters sends it and they agree."""
    for statement in (
        """CREATE TABLE purchase (member_id TEXT PRIMARY KEY, kept_from_ms INTEGER NOT NULL, body BLOB NOT NULL)
           WITHOUT ROWID""",
        "CREATE INDEX purchase_age ON purchase (kept_from_ms)",
    ):
        db.execute(statement)
