PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE mine (n integer PRIMARY KEY, ts timestamp, symbol text, price numeric(12,4) CHECK (price < 105));
INSERT INTO mine VALUES(1,'2024-01-02 09:00:01','S1',101.25);
INSERT INTO mine VALUES(2,'2024-01-02 09:00:02','S2',102.25);
INSERT INTO mine VALUES(4,'2024-01-02 09:00:04','S4',104.25);
CREATE TABLE mds_runs (
    run_id       TEXT NOT NULL PRIMARY KEY,
    command      TEXT NOT NULL,
    dataset      TEXT NOT NULL,
    table_name   TEXT NOT NULL,
    keyed        INTEGER NOT NULL,
    status       TEXT NOT NULL,
    started_at   TEXT NOT NULL,
    heartbeat_at TEXT NOT NULL,
    finished_at  TEXT,
    inputs       TEXT NOT NULL,
    inputs_settled INTEGER NOT NULL DEFAULT 0,
    settings     TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,
    rows_read    INTEGER NOT NULL DEFAULT 0,
    inserted     INTEGER NOT NULL DEFAULT 0,
    updated      INTEGER NOT NULL DEFAULT 0,
    unchanged    INTEGER NOT NULL DEFAULT 0,
    superseded   INTEGER NOT NULL DEFAULT 0,
    rejected     INTEGER NOT NULL DEFAULT 0,
    dropped      INTEGER NOT NULL DEFAULT 0,
    skipped      INTEGER NOT NULL DEFAULT 0,
    exit_code    INTEGER,
    error        TEXT,
    resumable    INTEGER NOT NULL,
    resumed_from TEXT,
    resumed_by   TEXT,
    workers      INTEGER NOT NULL,
    host         TEXT NOT NULL,
    pid          INTEGER NOT NULL,
    process      TEXT,
    version      TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO mds_runs VALUES('01a21e9f-65a7-7007-bb3f-adac6d9a66ab','load','mine','mine',1,'rejects','2026-11-27 20:08:12.519','2026-11-27 20:08:12.599','2026-11-27 20:08:12.599','[{"name":"trades.csv","id":"/tmp/mdsctl-before/trades.csv","bytes":286,"fingerprint":"941fe1a349d2df6b2f10a41d1ee5b3d8"}]',1,'{"dataset":"mine","date-order":"dmy","decimal":",","delimiter":";","exact":false,"format":null,"keep-case":false,"key":["n"],"map":[],"name-pattern":null,"no-header":false,"null":[],"on-conflict":null,"quality":null,"round":false,"set":[],"skip-lines":null,"slots":64,"symbol":null,"tenant":null,"timeframe":null,"timestamp-unit":null,"timezone":"Europe/Berlin","vendor":null}','e37cea8f951b02dd6a5365af3da31688',9,3,0,0,0,6,0,0,3,NULL,1,NULL,NULL,2,'vm',20732,'15b920ce-8b90-405d-b792-9f0870cc27c8/pid:[4026531836]/8815744','0.1.0');
CREATE TABLE mds_checkpoints (
    run_id     TEXT NOT NULL,
    slot       INTEGER NOT NULL,
    ordinal    INTEGER NOT NULL,
    serial     INTEGER NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (run_id, slot)
) STRICT, WITHOUT ROWID;
COMMIT;
