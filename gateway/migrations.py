"""All DDL of the gateway's database, as ordered migrations: after a release nothing here changes, it only grows.

The first of them stand in gateway.firstmigrations. Each migration from now on has its way back in WAYS_BACK.
"""

import logging
from contextlib import closing

from sqlite_utils import Database

from gateway import waysback
from gateway.firstmigrations import gateway

log = logging.getLogger("gateway")

# The statements that undo a migration, by its name, so that the release before can go on with the file after an update
# that failed (gateway.waysback): what the new release kept in new tables and columns may go, all else has to stay.
WAYS_BACK: dict[str, tuple[str, ...]] = {
    "copies": ("DROP TABLE copy", "DELETE FROM meta WHERE key = 'copies'"),
}


@gateway()
def learning(db: Database) -> None:
    """What was shown and taken of offers, by slot and segment, and the decisions that may still be taken up."""
    for statement in (
        """CREATE TABLE learning_tally (offer_id TEXT NOT NULL, slot TEXT NOT NULL, segment TEXT NOT NULL,
           shown INTEGER NOT NULL, taken INTEGER NOT NULL, day INTEGER NOT NULL,
           PRIMARY KEY (offer_id, slot, segment)) WITHOUT ROWID""",
        """CREATE TABLE learning_open (decision_id TEXT PRIMARY KEY, offer_id TEXT NOT NULL, slot TEXT NOT NULL,
           segment TEXT NOT NULL, until_ms INTEGER NOT NULL) WITHOUT ROWID""",
        "CREATE INDEX learning_open_ends ON learning_open (until_ms)",
    ):
        db.execute(statement)


@gateway()
def redemptions(db: Database) -> None:
    """What was redeemed at tills: how each stands, the ledger of steps, leases, and tills' requests."""
    for statement in (
        """CREATE TABLE redemption (redemption_id TEXT PRIMARY KEY, offer_id TEXT NOT NULL, till TEXT NOT NULL,
           cents INTEGER NOT NULL, until_ms INTEGER NOT NULL, member_id TEXT, coupon TEXT NOT NULL,
           coupon_class TEXT NOT NULL, lease_id TEXT NOT NULL, state TEXT NOT NULL, reversed_cents INTEGER NOT NULL,
           receipt TEXT NOT NULL, step INTEGER NOT NULL, asked_ms INTEGER NOT NULL, kept_from_ms INTEGER NOT NULL)
           WITHOUT ROWID""",
        "CREATE INDEX redemption_age ON redemption (kept_from_ms)",
        "CREATE INDEX redemption_asked ON redemption (asked_ms)",
        "CREATE INDEX redemption_member ON redemption (member_id, asked_ms) WHERE member_id IS NOT NULL",
        "CREATE INDEX redemption_open ON redemption (until_ms) WHERE state = 'reserved'",
        """CREATE UNIQUE INDEX redemption_coupon ON redemption (coupon)
           WHERE coupon <> '' AND state IN ('reserved', 'committed', 'reversed')""",
        """CREATE TABLE redemption_entry (redemption_id TEXT NOT NULL, step INTEGER NOT NULL, kind TEXT NOT NULL,
           cents INTEGER NOT NULL, at_ms INTEGER NOT NULL, receipt TEXT NOT NULL, coupon TEXT NOT NULL,
           PRIMARY KEY (redemption_id, step)) WITHOUT ROWID""",
        """CREATE UNIQUE INDEX redemption_entry_once ON redemption_entry (redemption_id) WHERE kind = 'committed'""",
        """CREATE UNIQUE INDEX redemption_entry_coupon ON redemption_entry (coupon)
           WHERE kind = 'committed' AND coupon <> ''""",
        """CREATE TRIGGER redemption_entry_stays BEFORE UPDATE ON redemption_entry
           BEGIN SELECT RAISE(ABORT, 'the ledger of redemptions is append-only'); END""",
        """CREATE TRIGGER redemption_entry_goes_whole BEFORE DELETE ON redemption_entry
           WHEN EXISTS (SELECT 1 FROM redemption WHERE redemption_id = OLD.redemption_id)
           BEGIN SELECT RAISE(ABORT, 'the ledger of redemptions is append-only'); END""",
        """CREATE TRIGGER redemption_goes AFTER DELETE ON redemption
           BEGIN DELETE FROM redemption_entry WHERE redemption_id = OLD.redemption_id; END""",
        """CREATE TABLE lease (lease_id TEXT PRIMARY KEY, budget_id TEXT NOT NULL, unit TEXT NOT NULL,
           amount INTEGER NOT NULL, until_ms INTEGER NOT NULL, held INTEGER NOT NULL, spent INTEGER NOT NULL,
           closed INTEGER NOT NULL,
           CHECK (held >= 0 AND spent >= 0 AND held + spent <= amount)) WITHOUT ROWID""",
        "CREATE INDEX lease_budget ON lease (budget_id) WHERE NOT closed",
        "CREATE INDEX lease_age ON lease (until_ms)",
        """CREATE TABLE till_request (number INTEGER PRIMARY KEY AUTOINCREMENT, till TEXT NOT NULL, key TEXT NOT NULL,
           digest BLOB NOT NULL, answer TEXT NOT NULL, kept_from_ms INTEGER NOT NULL, UNIQUE (till, key))""",
        "CREATE INDEX till_request_age ON till_request (kept_from_ms)",
    ):
        db.execute(statement)


@gateway()
def decision_inputs(db: Database) -> None:
    """What each decision depended on, sealed, so that it can be made again."""
    db.execute("ALTER TABLE decision ADD COLUMN inputs BLOB")


@gateway()
def segment_rules(db: Database) -> None:
    """Headquarters' running segments, in its order."""
    db.execute("CREATE TABLE segment_rule (place INTEGER PRIMARY KEY, body TEXT NOT NULL)")


@gateway()
def stock(db: Database) -> None:
    """How much of each article is there, how often the offers that a whole shop shares were given out, and the parts of
    a catalogue that is not whole yet."""
    for statement in (
        "CREATE TABLE stock (article TEXT PRIMARY KEY, units INTEGER, at_ms INTEGER NOT NULL) WITHOUT ROWID",
        """CREATE TABLE offer_count (offer_id TEXT NOT NULL, what TEXT NOT NULL, quarter_ms INTEGER NOT NULL,
           count INTEGER NOT NULL, UNIQUE (offer_id, what, quarter_ms))""",
        "CREATE INDEX offer_count_age ON offer_count (quarter_ms)",
        """CREATE TABLE catalogue_part (part INTEGER PRIMARY KEY, catalogue_id TEXT NOT NULL, parts INTEGER NOT NULL,
           offers TEXT NOT NULL)""",
    ):
        db.execute(statement)


@gateway()
def points(db: Database) -> None:
    """Members' points: headquarters' balances, and this shop's steps with the number of the event that told each."""
    for statement in (
        """CREATE TABLE points_balance (member_id TEXT PRIMARY KEY, points INTEGER NOT NULL, version INTEGER NOT NULL)
           WITHOUT ROWID""",
        """CREATE TABLE points_step (step_id TEXT PRIMARY KEY, member_id TEXT NOT NULL, points INTEGER NOT NULL,
           source TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, counted INTEGER NOT NULL,
           at_ms INTEGER NOT NULL, kept_from_ms INTEGER NOT NULL) WITHOUT ROWID""",
        "CREATE INDEX points_step_member ON points_step (member_id, counted)",
        "CREATE INDEX points_step_source ON points_step (source)",
        "CREATE INDEX points_step_age ON points_step (kept_from_ms)",
    ):
        db.execute(statement)


@gateway()
def prices_and_baskets(db: Database) -> None:
    """The price list, and baskets that customers scan themselves; `cookie`: a hash of what their phone shows."""
    for statement in (
        """CREATE TABLE price (gtin TEXT PRIMARY KEY, part INTEGER NOT NULL, cents INTEGER NOT NULL, body TEXT NOT NULL)
           WITHOUT ROWID""",
        "CREATE INDEX price_part ON price (part)",
        """CREATE TABLE basket (basket_id TEXT PRIMARY KEY, cookie BLOB NOT NULL UNIQUE, member_id TEXT,
           until_ms INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID""",
        "CREATE INDEX basket_ends ON basket (until_ms)",
        "CREATE INDEX basket_member ON basket (member_id) WHERE member_id IS NOT NULL",
    ):
        db.execute(statement)


@gateway()
def handover(db: Database) -> None:
    """Coupons that were used elsewhere, and leases of which a restored backup does not know what was spent."""
    for statement in (
        "CREATE TABLE coupon_used (coupon TEXT PRIMARY KEY, until_ms INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE INDEX coupon_used_age ON coupon_used (until_ms)",
        "ALTER TABLE lease ADD COLUMN doubted INTEGER NOT NULL DEFAULT 0",
        # What a class redeemed today is summed at each reservation, from here alone and not from the rows.
        "CREATE INDEX redemption_day ON redemption (coupon_class, asked_ms, state, cents, reversed_cents)",
    ):
        db.execute(statement)


@gateway()
def devices(db: Database) -> None:
    """Screens, tablets and tills that were approved; `key_hash`: SHA-256 of the key that only the device has."""
    db.execute(
        """CREATE TABLE device (device_id TEXT PRIMARY KEY, key_hash BLOB NOT NULL, kind TEXT NOT NULL,
           role TEXT NOT NULL, place TEXT NOT NULL, name TEXT NOT NULL, languages TEXT NOT NULL,
           orientation TEXT NOT NULL, via TEXT NOT NULL, paired_ms INTEGER NOT NULL, paired_by TEXT NOT NULL,
           revoked_ms INTEGER, revoked_by TEXT NOT NULL) WITHOUT ROWID"""
    )


@gateway()
def content(db: Database) -> None:
    """What screens show between offers: parts of the manifest that is wanted, and by `what` the manifests and brands
    that are wanted, shown and refused."""
    for statement in (
        """CREATE TABLE content_part (part INTEGER PRIMARY KEY, content_id TEXT NOT NULL, parts INTEGER NOT NULL,
           items TEXT NOT NULL)""",
        "CREATE TABLE content (what TEXT PRIMARY KEY, name TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID",
    ):
        db.execute(statement)


@gateway()
def plays(db: Database) -> None:
    """What screens showed, each once by the id that its page gave it."""
    for statement in (
        """CREATE TABLE play (number INTEGER PRIMARY KEY AUTOINCREMENT, play_id TEXT NOT NULL UNIQUE,
           screen TEXT NOT NULL, content TEXT NOT NULL, decision_id TEXT, slot TEXT NOT NULL,
           started_ms INTEGER NOT NULL, visible_ms INTEGER NOT NULL, completed INTEGER NOT NULL,
           kept_from_ms INTEGER NOT NULL)""",
        "CREATE INDEX play_age ON play (kept_from_ms)",
    ):
        db.execute(statement)


@gateway()
def colleagues(db: Database) -> None:
    """Colleagues with their wrong PINs, and which redemptions tablets asked for; `seq` of the newest event of each."""
    for statement in (
        """CREATE TABLE staff (staff_id TEXT PRIMARY KEY, body BLOB NOT NULL, wrong INTEGER NOT NULL,
           until_ms INTEGER NOT NULL) WITHOUT ROWID""",
        """CREATE TABLE staff_act (redemption_id TEXT PRIMARY KEY, tablet TEXT NOT NULL, staff_id TEXT NOT NULL,
           at_ms INTEGER NOT NULL, seq INTEGER NOT NULL, kept_from_ms INTEGER NOT NULL) WITHOUT ROWID""",
        "CREATE INDEX staff_act_time ON staff_act (at_ms)",
        "CREATE INDEX staff_act_age ON staff_act (kept_from_ms)",
    ):
        db.execute(statement)


@gateway()
def commands(db: Database) -> None:
    """Headquarters' commands, each once; `result` is empty while one is under way."""
    for statement in (
        """CREATE TABLE command (command_id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, argument TEXT NOT NULL,
           until_ms INTEGER NOT NULL, result TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '',
           told TEXT NOT NULL DEFAULT '{}', bundle BLOB)""",
        "CREATE INDEX command_until ON command (until_ms)",
    ):
        db.execute(statement)


@gateway()
def streams(db: Database) -> None:
    """Events that wait are told, confirmed and let go by stream: 0 duties and money, 1 what happened, 2 what is
    counted. What headquarters confirmed before, it confirmed of all of them."""
    happened = "basket brand catalogue content decision device handshake offer sale segment segments staff usual visit"
    likes = " OR ".join(f"type LIKE '{word}.%'" for word in happened.split()) + " OR type = 'credential.doubted'"
    for statement in (
        "ALTER TABLE outbox ADD COLUMN stream INTEGER NOT NULL DEFAULT 0",
        f"UPDATE outbox SET stream = CASE WHEN type LIKE 'screen.%' THEN 2 WHEN {likes} THEN 1 ELSE 0 END",
        "CREATE INDEX outbox_stream ON outbox (stream)",
        """INSERT INTO meta SELECT 'acked_seq.' || column1, value FROM meta, (VALUES ('vital'), ('business'),
           ('telemetry')) WHERE key = 'acked_seq'""",
        "DELETE FROM meta WHERE key = 'acked_seq'",
    ):
        db.execute(statement)


@gateway()
def outbox_numbers(db: Database) -> None:
    """That no number is given twice cost each commit a page of SQLite's own counter; now only when the newest row goes.
    Events of duty and telemetry are few and have an index; all others are found without."""
    for statement in (
        """CREATE TABLE outbox_anew (seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, type TEXT NOT NULL,
           body BLOB NOT NULL, member_id TEXT, stream INTEGER NOT NULL)""",
        "INSERT INTO outbox_anew SELECT seq, at_ms, type, body, member_id, stream FROM outbox",
        "INSERT INTO meta SELECT 'last_number', seq FROM sqlite_sequence WHERE name = 'outbox'",
        "DROP TABLE outbox",
        "ALTER TABLE outbox_anew RENAME TO outbox",
        "CREATE INDEX outbox_stream ON outbox (stream, seq) WHERE stream <> 1",
        """CREATE TRIGGER outbox_newest BEFORE DELETE ON outbox
           WHEN NOT EXISTS (SELECT 1 FROM outbox WHERE seq > old.seq)
           BEGIN INSERT OR REPLACE INTO meta SELECT 'last_number', max(old.seq, coalesce(max(value + 0), 0))
           FROM meta WHERE key = 'last_number'; END""",
    ):
        db.execute(statement)


@gateway()
def trials(db: Database) -> None:
    """What is on trial, and what offers were before; `body` NULL = there was none of that id."""
    for statement in (
        """CREATE TABLE trial (what TEXT PRIMARY KEY, name TEXT NOT NULL, body TEXT NOT NULL,
           window_ms INTEGER NOT NULL, begun INTEGER NOT NULL, until_ms INTEGER NOT NULL, before TEXT NOT NULL)
           WITHOUT ROWID""",
        "CREATE TABLE offer_former (offer_id TEXT PRIMARY KEY, body TEXT, counts TEXT NOT NULL) WITHOUT ROWID",
    ):
        db.execute(statement)


@gateway()
def snapshots(db: Database) -> None:
    """Which chunks the snapshot of members that is being taken has, by the revision of its manifest."""
    db.execute(
        "CREATE TABLE snapshot_chunk (number INTEGER PRIMARY KEY, revision INTEGER NOT NULL, sha256 BLOB NOT NULL)"
    )


@gateway()
def copies(db: Database) -> None:
    """What the shop's other box is to be told, by name; its number is never given twice under the table's own name."""
    for statement in (
        "CREATE TABLE copy (seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, names TEXT NOT NULL)",
        "INSERT INTO meta VALUES ('copies', lower(hex(randomblob(16))))",
    ):
        db.execute(statement)


def migrate(db: Database) -> None:
    """Bring `db` to this release, also back to it where a newer one left the way. Raises ConfigError where it did not,
    and nothing is changed."""
    with closing(Database(memory=True)) as blank:
        ours = {migration.name for migration in gateway.pending(blank)}
    applied = [migration.name for migration in gateway.applied(db)]
    newer = [name for name in applied if name not in ours]
    if newer:
        waysback.go_back(db, gateway.name, newer)
        log.warning("the database goes back from a newer release to this one: %s", ", ".join(newer))
    if applied:  # before the first of them, so that a power cut in between leaves the way, too
        waysback.leave(db, WAYS_BACK)
    gateway.apply(db)
    if not applied:
        waysback.leave(db, WAYS_BACK)
