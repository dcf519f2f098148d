-- Tables of schema version 1.
CREATE TABLE ticks (
    ts TEXT NOT NULL,  -- UTC, YYYY-MM-DD HH:MM:SS[.ffffff]
    ts_ns INTEGER,     -- nanoseconds below the microsecond, 0 to 999
    tenant_id TEXT NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    vendor TEXT NOT NULL,
    symbol TEXT NOT NULL,
    trade_id TEXT NOT NULL,
    price ANY,         -- exact: INTEGER, REAL up to 15 digits, else TEXT with all digits
    size ANY,          -- exact: INTEGER, REAL up to 15 digits, else TEXT with all digits
    exchange TEXT,
    side TEXT,
    conditions TEXT,
    updated_at TEXT,   -- UTC, when the row was last inserted or changed
    extra TEXT,        -- JSON, under --keep-extra
    PRIMARY KEY (symbol, ts, trade_id, vendor, tenant_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE news (
    published_at TEXT NOT NULL,  -- UTC, YYYY-MM-DD HH:MM:SS[.ffffff]
    tenant_id TEXT NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    vendor TEXT NOT NULL,
    id TEXT NOT NULL,
    symbol TEXT,
    title TEXT NOT NULL,
    url TEXT,
    sentiment_score ANY,         -- exact: INTEGER, REAL up to 15 digits, else TEXT with all digits
    updated_at TEXT,             -- UTC, when the row was last inserted or changed
    extra TEXT,                  -- JSON, under --keep-extra
    PRIMARY KEY (published_at, vendor, id, tenant_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE mds_schema (version INTEGER NOT NULL PRIMARY KEY, applied_at TEXT NOT NULL) STRICT;
INSERT INTO mds_schema VALUES (1, '2024-01-01 00:00:00');
