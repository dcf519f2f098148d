PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE mine (n integer, ts timestamp, symbol text, price numeric(12,4));
INSERT INTO mine VALUES(1,'2024-01-02 09:00:01','LATER',NULL);
INSERT INTO mine VALUES(2,'2024-01-02 09:00:02','LATER',NULL);
INSERT INTO mine VALUES(3,'2024-01-02 09:00:03','LATER',NULL);
INSERT INTO mine VALUES(4,'2024-01-02 09:00:04','LATER',NULL);
INSERT INTO mine VALUES(5,'2024-01-02 09:00:05','LATER',NULL);
INSERT INTO mine VALUES(6,'2024-01-02 09:00:06','LATER',NULL);
INSERT INTO mine VALUES(7,'2024-01-02 09:00:07','LATER',NULL);
INSERT INTO mine VALUES(8,'2024-01-02 09:00:08','LATER',NULL);
INSERT INTO mine VALUES(9,'2024-01-02 09:00:09','LATER',NULL);
INSERT INTO mine VALUES(10,'2024-01-02 09:00:10','LATER',NULL);
INSERT INTO mine VALUES(11,'2024-01-02 09:00:11','LATER',NULL);
INSERT INTO mine VALUES(12,'2024-01-02 09:00:12','LATER',NULL);
INSERT INTO mine VALUES(13,'2024-01-02 09:00:13','LATER',NULL);
INSERT INTO mine VALUES(14,'2024-01-02 09:00:14','LATER',NULL);
INSERT INTO mine VALUES(15,'2024-01-02 09:00:15','LATER',NULL);
INSERT INTO mine VALUES(16,'2024-01-02 09:00:16','LATER',NULL);
INSERT INTO mine VALUES(17,'2024-01-02 09:00:17','LATER',NULL);
INSERT INTO mine VALUES(18,'2024-01-02 09:00:18','LATER',NULL);
INSERT INTO mine VALUES(19,'2024-01-02 09:00:19','LATER',NULL);
INSERT INTO mine VALUES(20,'2024-01-02 09:00:20','LATER',NULL);
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
INSERT INTO mds_runs VALUES('01a21e9f-66bb-762d-a829-76acd4fcb587','load','mine','mine',0,'rejects','2026-11-27 20:08:12.772','2026-11-27 20:08:12.819','2026-11-27 20:08:12.819','[{"name":"trades.csv","id":"/tmp/mdsctl-before/trades.csv","bytes":1809,"fingerprint":"7431da4305ac130a5c531829b5713bd7"}]',1,'{"dataset":"mine","date-order":"dmy","decimal":",","delimiter":";","exact":false,"format":null,"keep-case":false,"key":[],"map":[],"name-pattern":null,"no-header":false,"null":[],"on-conflict":null,"quality":null,"round":false,"set":[],"skip-lines":null,"slots":64,"symbol":null,"tenant":null,"timeframe":null,"timestamp-unit":null,"timezone":"Europe/Berlin","vendor":null}','f234ab569a3c847fa836421aa1fa6181',60,0,0,0,0,60,0,0,3,NULL,1,NULL,NULL,2,'vm',20755,'15b920ce-8b90-405d-b792-9f0870cc27c8/pid:[4026531836]/8815772','0.1.0');
INSERT INTO mds_runs VALUES('01a21e9f-673c-7035-8b24-e7b9419eff12','replay-dlq','mine','mine',0,'running','2026-11-27 20:08:12.861','2026-11-27 20:08:12.861',NULL,'[{"name":"letters.1.ndjson","id":"/tmp/mdsctl-before/letters.ndjson 10027043-4473-1795810092.791150833 mine None","bytes":null,"fingerprint":"10027043-4473-1795810092.791150833 mine None"}]',0,'{"table":"mine"}','97463506e653a9ee7a01618c8e59da99',0,0,0,0,0,0,0,0,NULL,NULL,1,NULL,NULL,2,'vm',20762,'15b920ce-8b90-405d-b792-9f0870cc27c8/pid:[4026531836]/8815784','0.1.0');
CREATE TABLE mds_checkpoints (
    run_id     TEXT NOT NULL,
    slot       INTEGER NOT NULL,
    ordinal    INTEGER NOT NULL,
    serial     INTEGER NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (run_id, slot)
) STRICT, WITHOUT ROWID;
INSERT INTO mds_checkpoints VALUES('01a21e9f-673c-7035-8b24-e7b9419eff12',3,2,1,'2026-11-27 20:08:12.917');
INSERT INTO mds_checkpoints VALUES('01a21e9f-673c-7035-8b24-e7b9419eff12',6,16,8,'2026-11-27 20:08:13.264');
INSERT INTO mds_checkpoints VALUES('01a21e9f-673c-7035-8b24-e7b9419eff12',9,13,7,'2026-11-27 20:08:13.214');
INSERT INTO mds_checkpoints VALUES('01a21e9f-673c-7035-8b24-e7b9419eff12',12,11,6,'2026-11-27 20:08:13.164');
INSERT INTO mds_checkpoints VALUES('01a21e9f-673c-7035-8b24-e7b9419eff12',21,18,9,'2026-11-27 20:08:13.322');
INSERT INTO mds_checkpoints VALUES('01a21e9f-673c-7035-8b24-e7b9419eff12',23,12,6,'2026-11-27 20:08:13.164');
INSERT INTO mds_checkpoints VALUES('01a21e9f-673c-7035-8b24-e7b9419eff12',27,17,9,'2026-11-27 20:08:13.322');
INSERT INTO mds_checkpoints VALUES('01a21e9f-673c-7035-8b24-e7b9419eff12',35,15,8,'2026-11-27 20:08:13.264');
INSERT INTO mds_checkpoints VALUES('01a21e9f-673c-7035-8b24-e7b9419eff12',46,19,10,'2026-11-27 20:08:13.364');
INSERT INTO mds_checkpoints VALUES('01a21e9f-673c-7035-8b24-e7b9419eff12',47,7,4,'2026-11-27 20:08:13.070');
INSERT INTO mds_checkpoints VALUES('01a21e9f-673c-7035-8b24-e7b9419eff12',50,20,10,'2026-11-27 20:08:13.364');
INSERT INTO mds_checkpoints VALUES('01a21e9f-673c-7035-8b24-e7b9419eff12',53,10,5,'2026-11-27 20:08:13.114');
INSERT INTO mds_checkpoints VALUES('01a21e9f-673c-7035-8b24-e7b9419eff12',54,14,7,'2026-11-27 20:08:13.214');
INSERT INTO mds_checkpoints VALUES('01a21e9f-673c-7035-8b24-e7b9419eff12',56,4,2,'2026-11-27 20:08:12.964');
INSERT INTO mds_checkpoints VALUES('01a21e9f-673c-7035-8b24-e7b9419eff12',59,6,3,'2026-11-27 20:08:13.014');
INSERT INTO mds_checkpoints VALUES('01a21e9f-673c-7035-8b24-e7b9419eff12',61,3,2,'2026-11-27 20:08:12.964');
INSERT INTO mds_checkpoints VALUES('01a21e9f-673c-7035-8b24-e7b9419eff12',62,8,4,'2026-11-27 20:08:13.070');
COMMIT;
