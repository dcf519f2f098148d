PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE mine (n integer, ts timestamp, symbol text, price numeric(12,4));
INSERT INTO mine VALUES(1,'2024-01-02 09:00:01','S1',101.25);
INSERT INTO mine VALUES(2,'2024-01-02 09:00:02','S2',102.25);
INSERT INTO mine VALUES(3,'2024-01-02 09:00:03','S3',103.25);
INSERT INTO mine VALUES(4,'2024-01-02 09:00:04','S4',104.25);
INSERT INTO mine VALUES(5,'2024-01-02 09:00:05','S5',105.25);
INSERT INTO mine VALUES(6,'2024-01-02 09:00:06','S6',106.25);
INSERT INTO mine VALUES(7,'2024-01-02 09:00:07','S0',107.24999999999999999);
INSERT INTO mine VALUES(8,'2024-01-02 09:00:08','S1',108.24999999999999999);
INSERT INTO mine VALUES(9,'2024-01-02 09:00:09','S2',109.24999999999999999);
INSERT INTO mine VALUES(10,'2024-01-02 09:00:10','S3',110.24999999999999999);
INSERT INTO mine VALUES(11,'2024-01-02 09:00:11','S4',111.24999999999999999);
INSERT INTO mine VALUES(12,'2024-01-02 09:00:12','S5',112.24999999999999999);
INSERT INTO mine VALUES(13,'2024-01-02 09:00:13','S6',113.25);
INSERT INTO mine VALUES(14,'2024-01-02 09:00:14','S0',114.25);
INSERT INTO mine VALUES(15,'2024-01-02 09:00:15','S1',115.25);
INSERT INTO mine VALUES(16,'2024-01-02 09:00:16','S2',116.25);
INSERT INTO mine VALUES(17,'2024-01-02 09:00:17','S3',117.25);
INSERT INTO mine VALUES(18,'2024-01-02 09:00:18','S4',118.25);
INSERT INTO mine VALUES(19,'2024-01-02 09:00:19','S5',119.25);
INSERT INTO mine VALUES(20,'2024-01-02 09:00:20','S6',120.24999999999999999);
INSERT INTO mine VALUES(21,'2024-01-02 09:00:21','S0',121.24999999999999999);
INSERT INTO mine VALUES(22,'2024-01-02 09:00:22','S1',122.24999999999999999);
INSERT INTO mine VALUES(23,'2024-01-02 09:00:23','S2',123.24999999999999999);
INSERT INTO mine VALUES(24,'2024-01-02 09:00:24','S3',124.24999999999999999);
INSERT INTO mine VALUES(26,'2024-01-02 09:00:26','S5',126.25);
INSERT INTO mine VALUES(27,'2024-01-02 09:00:27','S6',127.25);
INSERT INTO mine VALUES(28,'2024-01-02 09:00:28','S0',128.25);
INSERT INTO mine VALUES(29,'2024-01-02 09:00:29','S1',129.25);
INSERT INTO mine VALUES(30,'2024-01-02 09:00:30','S2',130.25);
INSERT INTO mine VALUES(31,'2024-01-02 09:00:31','S3',131.25);
INSERT INTO mine VALUES(32,'2024-01-02 09:00:32','S4',132.24999999999999999);
INSERT INTO mine VALUES(33,'2024-01-02 09:00:33','S5',133.24999999999999999);
INSERT INTO mine VALUES(34,'2024-01-02 09:00:34','S6',134.24999999999999999);
INSERT INTO mine VALUES(35,'2024-01-02 09:00:35','S0',135.24999999999999999);
INSERT INTO mine VALUES(36,'2024-01-02 09:00:36','S1',136.24999999999999999);
INSERT INTO mine VALUES(37,'2024-01-02 09:00:37','S2',137.24999999999999999);
INSERT INTO mine VALUES(38,'2024-01-02 09:00:38','S3',138.25);
INSERT INTO mine VALUES(39,'2024-01-02 09:00:39','S4',139.25);
INSERT INTO mine VALUES(40,'2024-01-02 09:00:40','S5',140.25);
INSERT INTO mine VALUES(41,'2024-01-02 09:00:41','S6',141.25);
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
INSERT INTO mds_runs VALUES('01a21e9f-69e8-762a-9608-f4ab5668aa08','tail','mine','mine',0,'interrupted','2026-11-27 20:08:13.601','2026-11-27 20:08:13.601','2026-11-27 20:08:13.601','[{"name":"feed.csv","id":null,"bytes":null,"fingerprint":null}]',0,'{"dataset":"mine","date-order":"dmy","decimal":",","delimiter":";","exact":false,"format":null,"keep-case":false,"key":[],"map":[],"name-pattern":null,"no-header":false,"null":[],"on-conflict":null,"quality":null,"round":false,"set":[],"skip-lines":null,"slots":64,"symbol":null,"tenant":null,"timeframe":null,"timestamp-unit":null,"timezone":"Europe/Berlin","vendor":null}','f234ab569a3c847fa836421aa1fa6181',0,0,0,0,0,0,0,0,NULL,NULL,0,NULL,'01a21e9f-6a99-7721-a071-54fc68d828ed',2,'vm',20841,'15b920ce-8b90-405d-b792-9f0870cc27c8/pid:[4026531836]/8815852','0.1.0');
INSERT INTO mds_runs VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed','tail','mine','mine',0,'running','2026-11-27 20:08:13.725','2026-11-27 20:08:13.725',NULL,'[{"name":"feed.csv","id":null,"bytes":null,"fingerprint":null}]',0,'{"dataset":"mine","date-order":"dmy","decimal":",","delimiter":";","exact":false,"format":null,"keep-case":false,"key":[],"map":[],"name-pattern":null,"no-header":false,"null":[],"on-conflict":null,"quality":null,"round":false,"set":[],"skip-lines":null,"slots":64,"symbol":null,"tenant":null,"timeframe":null,"timestamp-unit":null,"timezone":"Europe/Berlin","vendor":null}','f234ab569a3c847fa836421aa1fa6181',0,0,0,0,0,0,0,0,NULL,NULL,0,'01a21e9f-69e8-762a-9608-f4ab5668aa08',NULL,2,'vm',20871,'15b920ce-8b90-405d-b792-9f0870cc27c8/pid:[4026531836]/8815872','0.1.0');
CREATE TABLE mds_checkpoints (
    run_id     TEXT NOT NULL,
    slot       INTEGER NOT NULL,
    ordinal    INTEGER NOT NULL,
    serial     INTEGER NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (run_id, slot)
) STRICT, WITHOUT ROWID;
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',3,2,0,'2026-11-27 20:08:13.647');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',6,33,6,'2026-11-27 20:08:14.001');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',8,37,8,'2026-11-27 20:08:14.102');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',9,24,2,'2026-11-27 20:08:13.814');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',12,11,0,'2026-11-27 20:08:13.649');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',13,32,6,'2026-11-27 20:08:14.001');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',18,36,8,'2026-11-27 20:08:14.102');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',19,26,3,'2026-11-27 20:08:13.851');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',21,18,0,'2026-11-27 20:08:13.649');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',22,23,2,'2026-11-27 20:08:13.814');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',23,12,0,'2026-11-27 20:08:13.649');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',24,41,10,'2026-11-27 20:08:14.201');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',27,17,0,'2026-11-27 20:08:13.649');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',29,38,9,'2026-11-27 20:08:14.151');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',31,39,9,'2026-11-27 20:08:14.151');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',35,27,3,'2026-11-27 20:08:13.851');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',45,34,7,'2026-11-27 20:08:14.051');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',46,35,7,'2026-11-27 20:08:14.051');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',47,7,0,'2026-11-27 20:08:13.648');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',49,22,1,'2026-11-27 20:08:13.784');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',50,20,0,'2026-11-27 20:08:13.649');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',53,10,0,'2026-11-27 20:08:13.648');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',54,14,0,'2026-11-27 20:08:13.649');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',56,4,0,'2026-11-27 20:08:13.647');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',59,40,10,'2026-11-27 20:08:14.201');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',61,3,0,'2026-11-27 20:08:13.647');
INSERT INTO mds_checkpoints VALUES('01a21e9f-6a99-7721-a071-54fc68d828ed',62,30,5,'2026-11-27 20:08:13.951');
COMMIT;
