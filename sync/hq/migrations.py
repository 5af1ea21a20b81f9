"""HQ's tables, release by release, in SQLite's words (sync.hq.storage). What stands in them is for others."""

import json

from sqlite_utils import Database, Migrations

migrations = Migrations("hq")


@migrations()
def m001_ledger(db: Database) -> None:
    for statement in (
        "CREATE TABLE hq (id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL, boot INTEGER NOT NULL)",
        "INSERT INTO hq VALUES (1, lower(hex(randomblob(8))), 0)",
        """CREATE TABLE gateway (tenant TEXT, store TEXT, gateway TEXT, online INTEGER NOT NULL DEFAULT 0,
           boot INTEGER NOT NULL DEFAULT 0, applied_version INTEGER NOT NULL DEFAULT 0, epoch TEXT NOT NULL
           DEFAULT '', last_seen_ms INTEGER NOT NULL, PRIMARY KEY (tenant, store, gateway))""",
        """CREATE TABLE event (id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, store TEXT NOT NULL, gateway TEXT NOT
           NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL, received_at_ms INTEGER NOT NULL,
           type TEXT NOT NULL, member_id TEXT, body TEXT NOT NULL, UNIQUE (tenant, store, gateway, epoch, seq))""",
        "CREATE INDEX event_member ON event (member_id) WHERE member_id IS NOT NULL",
        """CREATE TABLE stream (tenant TEXT, store TEXT, gateway TEXT, epoch TEXT, watermark INTEGER NOT NULL,
           PRIMARY KEY (tenant, store, gateway, epoch))""",
        """CREATE TABLE ahead (tenant TEXT, store TEXT, gateway TEXT, epoch TEXT, first INTEGER, last INTEGER NOT
           NULL, PRIMARY KEY (tenant, store, gateway, epoch, first))""",
        """CREATE TABLE change (version INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE,
           member_id TEXT, op TEXT NOT NULL)""",
        "CREATE INDEX change_member ON change (member_id) WHERE member_id IS NOT NULL",
    ):
        db.execute(statement)


@migrations()
def m002_keys(db: Database) -> None:
    """Ops for one gateway alone, ops that are out of date one day, gateways' public keys, and one-time codes' ids."""
    for statement in (
        "ALTER TABLE change ADD COLUMN gateway TEXT",
        "ALTER TABLE change ADD COLUMN until_ms INTEGER",
        "CREATE INDEX change_until ON change (until_ms) WHERE until_ms IS NOT NULL",
        "ALTER TABLE gateway ADD COLUMN key TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE gateway ADD COLUMN pending_key TEXT NOT NULL DEFAULT ''",
        """CREATE TABLE binding (binding_id TEXT PRIMARY KEY, member_id TEXT NOT NULL, valid_until_ms INTEGER NOT NULL,
           credential_id TEXT NOT NULL DEFAULT '')""",
        "CREATE INDEX binding_member ON binding (member_id)",
    ):
        db.execute(statement)


@migrations()
def m003_bindings(db: Database) -> None:
    """Whom a binding was refused to, and what credentials show, by which a binding looks for another holder."""
    for statement in (
        """CREATE TABLE binding_refused (binding_id TEXT NOT NULL REFERENCES binding ON DELETE CASCADE, tenant TEXT,
           store TEXT, gateway TEXT, PRIMARY KEY (binding_id, tenant, store, gateway)) WITHOUT ROWID""",
        """CREATE INDEX change_shown ON change (op ->> '$.body.kind', op ->> '$.body.value')
           WHERE key >= 'credential:' AND key < 'credential;'""",
    ):
        db.execute(statement)


@migrations()
def m004_consents(db: Database) -> None:
    """The notices that were ever pushed, by the text's hash, and which acts of which gateway were refused."""
    for statement in (
        """CREATE TABLE notice (version TEXT NOT NULL, language TEXT NOT NULL, sha256 TEXT NOT NULL,
           PRIMARY KEY (version, language)) WITHOUT ROWID""",
        """INSERT INTO notice SELECT op ->> '$.body.notice.version', '', '' FROM change
           WHERE key = 'config' AND op ->> '$.body.notice.version' IS NOT NULL""",
        """CREATE TABLE act (tenant TEXT, store TEXT, gateway TEXT, day INTEGER, granted INTEGER NOT NULL,
           refused INTEGER NOT NULL, PRIMARY KEY (tenant, store, gateway, day)) WITHOUT ROWID""",
    ):
        db.execute(statement)


@migrations()
def m005_erasures(db: Database) -> None:
    """A line of its own for erasures, how far each gateway is in it, receipts, and what shops asked for."""
    for statement in (
        """CREATE TABLE erasure (seq INTEGER PRIMARY KEY AUTOINCREMENT, member_id TEXT NOT NULL UNIQUE,
           at_ms INTEGER NOT NULL, source TEXT NOT NULL)""",
        "CREATE INDEX erasure_at ON erasure (at_ms)",
        """INSERT INTO erasure (member_id, at_ms, source) SELECT op ->> '$.body.member_id', 0, '' FROM change
           WHERE key >= 'erase:' AND key < 'erase;' ORDER BY version""",
        "ALTER TABLE gateway ADD COLUMN erase_seq INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE gateway ADD COLUMN erased_at_ms INTEGER NOT NULL DEFAULT 0",
        """CREATE TABLE erase_receipt (seq INTEGER NOT NULL, tenant TEXT NOT NULL, store TEXT NOT NULL,
           gateway TEXT NOT NULL, at_ms INTEGER NOT NULL, places TEXT NOT NULL,
           UNIQUE (seq, tenant, store, gateway))""",
        """CREATE TABLE erase_pending (member_id TEXT PRIMARY KEY, tenant TEXT NOT NULL, store TEXT NOT NULL,
           gateway TEXT NOT NULL, asked_ms INTEGER NOT NULL, why TEXT NOT NULL)""",
    ):
        db.execute(statement)


@migrations()
def m006_enrolments(db: Database) -> None:
    """How many members each gateway made today, and how many were refused."""
    db.execute(
        """CREATE TABLE enrolment (day INTEGER, tenant TEXT, store TEXT, gateway TEXT, made INTEGER NOT NULL,
           refused INTEGER NOT NULL, PRIMARY KEY (day, tenant, store, gateway)) WITHOUT ROWID"""
    )


@migrations()
def m007_redemptions(db: Database) -> None:
    """What was redeemed in all shops, step by step, and what of which budget was lent to which gateway."""
    for statement in (
        """CREATE TABLE redemption_entry (redemption_id TEXT, step INTEGER, tenant TEXT NOT NULL, store TEXT NOT NULL,
           gateway TEXT NOT NULL, kind TEXT NOT NULL, offer_id TEXT NOT NULL, till TEXT NOT NULL,
           cents INTEGER NOT NULL, at_ms INTEGER NOT NULL, receipt TEXT NOT NULL, coupon TEXT NOT NULL,
           lease_id TEXT NOT NULL, PRIMARY KEY (redemption_id, step)) WITHOUT ROWID""",
        "CREATE INDEX redemption_coupon ON redemption_entry (coupon) WHERE coupon <> ''",
        "CREATE INDEX redemption_lease ON redemption_entry (lease_id) WHERE lease_id <> ''",
        "CREATE TABLE budget (budget_id TEXT PRIMARY KEY, unit TEXT NOT NULL, total INTEGER NOT NULL) WITHOUT ROWID",
        """CREATE TABLE lease (lease_id TEXT PRIMARY KEY, budget_id TEXT NOT NULL, tenant TEXT NOT NULL, store TEXT NOT
           NULL, gateway TEXT NOT NULL, amount INTEGER NOT NULL, until_ms INTEGER NOT NULL, closed INTEGER NOT NULL,
           spent INTEGER NOT NULL) WITHOUT ROWID""",
        "CREATE INDEX lease_budget ON lease (budget_id)",
    ):
        db.execute(statement)


@migrations()
def m008_points(db: Database) -> None:
    """Members' points, each step of a shop once, and how far each gateway's steps are in a balance."""
    for statement in (
        """CREATE TABLE points_entry (step_id TEXT PRIMARY KEY, member_id TEXT NOT NULL, points INTEGER NOT NULL,
           tenant TEXT NOT NULL, store TEXT NOT NULL, gateway TEXT NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID""",
        "CREATE INDEX points_entry_member ON points_entry (member_id)",
        """CREATE TABLE points_balance (member_id TEXT PRIMARY KEY, points INTEGER NOT NULL, version INTEGER NOT NULL)
           WITHOUT ROWID""",
        """CREATE TABLE points_stream (member_id TEXT, tenant TEXT, store TEXT, gateway TEXT, epoch TEXT,
           seq INTEGER NOT NULL, UNIQUE (member_id, tenant, store, gateway, epoch))""",
    ):
        db.execute(statement)


@migrations()
def m009_handover(db: Database) -> None:
    """Coupons that two shops redeemed, and whose passes in wallets are to be brought up to date."""
    for statement in (
        """CREATE TABLE coupon_double (coupon TEXT, redemption_id TEXT, tenant TEXT NOT NULL, store TEXT NOT NULL,
           gateway TEXT NOT NULL, offer_id TEXT NOT NULL, cents INTEGER NOT NULL, at_ms INTEGER NOT NULL,
           PRIMARY KEY (coupon, redemption_id)) WITHOUT ROWID""",
        """CREATE TABLE pass_due (number INTEGER PRIMARY KEY AUTOINCREMENT, coupon TEXT NOT NULL UNIQUE,
           state TEXT NOT NULL, offer_id TEXT NOT NULL, store TEXT NOT NULL, at_ms INTEGER NOT NULL)""",
    ):
        db.execute(statement)


@migrations()
def m010_points_of_each_shop(db: Database) -> None:
    """A step's id is its gateway's: two shops may use the same one."""
    for statement in (
        """CREATE TABLE points_entry_new (step_id TEXT, member_id TEXT NOT NULL, points INTEGER NOT NULL, tenant TEXT,
           store TEXT, gateway TEXT, at_ms INTEGER NOT NULL, PRIMARY KEY (tenant, store, gateway, step_id))
           WITHOUT ROWID""",
        "INSERT INTO points_entry_new SELECT * FROM points_entry",
        "DROP TABLE points_entry",
        "ALTER TABLE points_entry_new RENAME TO points_entry",
        "CREATE INDEX points_entry_member ON points_entry (member_id)",
    ):
        db.execute(statement)


@migrations()
def m011_plain_columns(db: Database) -> None:
    """What was looked for inside JSON, and what stood in SQLite's own row numbers, in columns that any database has."""
    db.register_function(_small, name="small", deterministic=True)
    given = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name"
    for statement in (
        "CREATE TABLE counter (name TEXT PRIMARY KEY, last INTEGER NOT NULL)",
        f"INSERT INTO counter VALUES ('erasure', ({given} = 'erasure')), ('pass', ({given} = 'pass_due'))",
        "ALTER TABLE change ADD COLUMN shown TEXT",
        "DROP INDEX change_shown",
        """UPDATE change SET shown = op ->> '$.body.kind' || ':' || (op ->> '$.body.value')
           WHERE key >= 'credential:' AND key < 'credential;'""",
        "UPDATE change SET shown = small(op ->> '$.body.call_name') WHERE key >= 'member:' AND key < 'member;'",
        "CREATE INDEX change_shown ON change (shown) WHERE key >= 'credential:' AND key < 'credential;'",
        "ALTER TABLE erase_receipt ADD COLUMN number INTEGER NOT NULL DEFAULT 0",
        "UPDATE erase_receipt SET number = rowid",
        "CREATE INDEX erase_receipt_number ON erase_receipt (number)",
        "INSERT INTO counter SELECT 'receipt', coalesce(max(number), 0) FROM erase_receipt",
        "ALTER TABLE points_stream ADD COLUMN turn INTEGER NOT NULL DEFAULT 0",
        "UPDATE points_stream SET turn = rowid - (SELECT max(rowid) FROM points_stream)",
    ):
        db.execute(statement)


def _small(text: str | None) -> str | None:
    return None if text is None else text.casefold()


@migrations()
def m012_commands(db: Database) -> None:
    """Commands to gateways, and what became of each."""
    for statement in (
        "INSERT INTO counter VALUES ('command', 0)",
        """CREATE TABLE command (number INTEGER PRIMARY KEY, command_id TEXT NOT NULL UNIQUE,
           tenant TEXT NOT NULL, store TEXT NOT NULL, gateway TEXT NOT NULL, kind TEXT NOT NULL,
           arguments TEXT NOT NULL, at_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,
           state TEXT NOT NULL DEFAULT 'waiting', reason TEXT NOT NULL DEFAULT '', told TEXT NOT NULL DEFAULT '{}',
           answered_ms INTEGER)""",
        "CREATE INDEX command_waiting ON command (tenant, store, gateway) WHERE state = 'waiting'",
    ):
        db.execute(statement)


@migrations()
def m013_streams(db: Database) -> None:
    """What is held of each stream of an outbox. What was held before is held of all of them."""
    place = "tenant, store, gateway, epoch"
    for statement in (
        """CREATE TABLE stream_new (tenant TEXT, store TEXT, gateway TEXT, epoch TEXT, stream TEXT,
           watermark INTEGER NOT NULL, PRIMARY KEY (tenant, store, gateway, epoch, stream))""",
        """CREATE TABLE ahead_new (tenant TEXT, store TEXT, gateway TEXT, epoch TEXT, stream TEXT, first INTEGER,
           last INTEGER NOT NULL, PRIMARY KEY (tenant, store, gateway, epoch, stream, first))""",
        *(
            f"INSERT INTO {table}_new SELECT {place}, '{name}', {rest} FROM {table}"
            for table, rest in (("stream", "watermark"), ("ahead", "first, last"))
            for name in ("vital", "business", "telemetry")
        ),
        "DROP TABLE stream",
        "ALTER TABLE stream_new RENAME TO stream",
        "DROP TABLE ahead",
        "ALTER TABLE ahead_new RENAME TO ahead",
    ):
        db.execute(statement)


@migrations()
def m014_reports(db: Database) -> None:
    """How each gateway last said that it does."""
    db.execute(
        """CREATE TABLE report (tenant TEXT, store TEXT, gateway TEXT, at_ms INTEGER NOT NULL, version TEXT NOT NULL,
           waiting INTEGER NOT NULL, parts INTEGER NOT NULL, more INTEGER NOT NULL, troubles TEXT NOT NULL,
           PRIMARY KEY (tenant, store, gateway))"""
    )


@migrations()
def m015_settings(db: Database) -> None:
    """What each gateway told last of its settings, configuration and catalogue."""
    db.execute(
        """CREATE TABLE settings_report (tenant TEXT, store TEXT, gateway TEXT, what TEXT, at_ms INTEGER NOT NULL,
           body TEXT NOT NULL, PRIMARY KEY (tenant, store, gateway, what))"""
    )


@migrations()
def m016_clones(db: Database) -> None:
    """When two boxes were last noticed under one identity."""
    db.execute("ALTER TABLE gateway ADD COLUMN clone_ms INTEGER NOT NULL DEFAULT 0")


@migrations()
def m017_rollouts(db: Database) -> None:
    """What is rolled out over rings of stores, who was told of it, and what each of them had before."""
    for statement in (
        "INSERT INTO counter VALUES ('rollout', 0)",
        """CREATE TABLE rollout (number INTEGER PRIMARY KEY, what TEXT NOT NULL, value TEXT NOT NULL,
           plan TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', gateway TEXT NOT NULL DEFAULT '',
           why TEXT NOT NULL DEFAULT '[]', ring INTEGER NOT NULL DEFAULT 0, begun_ms INTEGER NOT NULL,
           changed_ms INTEGER NOT NULL, ring_ms INTEGER NOT NULL DEFAULT 0, through_ms INTEGER,
           former TEXT NOT NULL DEFAULT '', last_version INTEGER)""",
        """CREATE TABLE rollout_gateway (number INTEGER, tenant TEXT, store TEXT, gateway TEXT, ring INTEGER NOT NULL,
           version INTEGER NOT NULL, told_ms INTEGER NOT NULL, outcome TEXT NOT NULL DEFAULT 'away', why TEXT NOT NULL
           DEFAULT '[]', reached_ms INTEGER, before TEXT NOT NULL, accepted INTEGER NOT NULL DEFAULT 0,
           former TEXT NOT NULL, returned INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (number, tenant, store, gateway))""",
        "CREATE TABLE rollout_value (name TEXT PRIMARY KEY, op TEXT NOT NULL)",
    ):
        db.execute(statement)


@migrations()
def m018_snapshots(db: Database) -> None:
    """Snapshots of members, revision 0 = being made; their chunks, sha256 '' = to be written anew; and up to which
    version the members of a gateway are that waits for one, NULL = it waits for none."""
    for statement in (
        """CREATE TABLE snapshot (snapshot_id TEXT PRIMARY KEY, revision INTEGER NOT NULL, version INTEGER NOT NULL,
           erase_seq INTEGER NOT NULL, made_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, touched_ms INTEGER NOT
           NULL, members INTEGER NOT NULL, ops INTEGER NOT NULL, chunks INTEGER NOT NULL, packed INTEGER NOT NULL)""",
        """CREATE TABLE snapshot_chunk (snapshot_id TEXT, number INTEGER, first_member TEXT NOT NULL,
           first_version INTEGER NOT NULL, last_member TEXT NOT NULL, last_version INTEGER NOT NULL,
           members INTEGER NOT NULL, ops INTEGER NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (snapshot_id, number))""",
        "CREATE INDEX snapshot_chunk_sha256 ON snapshot_chunk (sha256)",
        """CREATE TABLE snapshot_piece (snapshot_id TEXT, number INTEGER, data BLOB NOT NULL,
           PRIMARY KEY (snapshot_id, number))""",
        "ALTER TABLE gateway ADD COLUMN members_version INTEGER",
    ):
        db.execute(statement)


@migrations()
def m019_claims(db: Database) -> None:
    """Gateways that claim to be ahead of this headquarters, and how far such claims have led its lines."""
    for statement in (
        "INSERT INTO counter VALUES ('led_version', 0), ('led_erasure', 0), ('led_boot', 0)",
        """CREATE TABLE claim (line TEXT, tenant TEXT, store TEXT, gateway TEXT, number INTEGER NOT NULL,
           at_ms INTEGER NOT NULL, PRIMARY KEY (line, tenant, store, gateway))""",
    ):
        db.execute(statement)


@migrations()
def m020_readable_ops(db: Database) -> None:
    """What shops' events of a far day or of odd sums made of ops, and no gateway could read, they can read."""
    last_ms, most = 253_370_764_800_000, 10**12
    far = "SELECT version, op FROM change WHERE key >= 'used:' AND key < 'used;' AND until_ms > ?"
    for version, op in db.execute(far, [last_ms]).fetchall():
        used = json.loads(op)
        used["body"]["until_ms"] = last_ms
        values = [json.dumps(used, separators=(",", ":")), last_ms, version]
        db.execute("UPDATE change SET op = ?, until_ms = ? WHERE version = ?", values)
    told = "SELECT version, op FROM change WHERE key >= 'booked:' AND key < 'booked;'"
    for version, op in db.execute(told).fetchall():
        booked = json.loads(op)
        for lease in booked["body"]["leases"]:
            lease["spent"] = min(max(0, lease["spent"]), most)
        db.execute("UPDATE change SET op = ? WHERE version = ?", [json.dumps(booked, separators=(",", ":")), version])
