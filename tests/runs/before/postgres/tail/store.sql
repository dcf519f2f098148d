CREATE TABLE public.mds_checkpoints (
    run_id uuid NOT NULL,
    slot smallint NOT NULL,
    ordinal bigint NOT NULL,
    serial bigint NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
)
WITH (fillfactor='40');
CREATE TABLE public.mds_runs (
    run_id uuid NOT NULL,
    command text NOT NULL,
    dataset text NOT NULL,
    table_name text NOT NULL,
    keyed boolean NOT NULL,
    status text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    heartbeat_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    inputs jsonb NOT NULL,
    inputs_settled integer DEFAULT 0 NOT NULL,
    settings jsonb NOT NULL,
    fingerprint text NOT NULL,
    rows_read bigint DEFAULT 0 NOT NULL,
    inserted bigint DEFAULT 0 NOT NULL,
    updated bigint DEFAULT 0 NOT NULL,
    unchanged bigint DEFAULT 0 NOT NULL,
    superseded bigint DEFAULT 0 NOT NULL,
    rejected bigint DEFAULT 0 NOT NULL,
    dropped bigint DEFAULT 0 NOT NULL,
    skipped bigint DEFAULT 0 NOT NULL,
    exit_code smallint,
    error text,
    resumable boolean NOT NULL,
    resumed_from uuid,
    resumed_by uuid,
    workers integer NOT NULL,
    host text NOT NULL,
    pid bigint NOT NULL,
    process text,
    version text NOT NULL
);
CREATE TABLE public.mine (
    n integer,
    ts timestamp without time zone,
    symbol text,
    price numeric(12,4)
);
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 62, 30, 2, '2026-11-27 20:08:18.586491+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 13, 32, 4, '2026-11-27 20:08:18.638653+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 3, 2, 0, '2026-11-27 20:08:18.105104+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 23, 12, 0, '2026-11-27 20:08:18.137372+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 47, 7, 0, '2026-11-27 20:08:18.105104+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 61, 3, 0, '2026-11-27 20:08:18.105104+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 27, 17, 0, '2026-11-27 20:08:18.137372+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 53, 10, 0, '2026-11-27 20:08:18.137372+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 12, 11, 0, '2026-11-27 20:08:18.102175+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 56, 4, 0, '2026-11-27 20:08:18.102175+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 21, 18, 0, '2026-11-27 20:08:18.138913+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 50, 20, 0, '2026-11-27 20:08:18.146441+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 54, 14, 0, '2026-11-27 20:08:18.146441+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 22, 23, 1, '2026-11-27 20:08:18.486283+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 9, 24, 1, '2026-11-27 20:08:18.487709+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 49, 22, 1, '2026-11-27 20:08:18.487709+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 19, 26, 2, '2026-11-27 20:08:18.508986+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 35, 27, 2, '2026-11-27 20:08:18.508986+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 6, 33, 3, '2026-11-27 20:08:18.639431+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 46, 35, 4, '2026-11-27 20:08:18.686494+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 45, 34, 5, '2026-11-27 20:08:18.687229+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 29, 38, 6, '2026-11-27 20:08:18.786481+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 31, 39, 6, '2026-11-27 20:08:18.786481+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 59, 40, 7, '2026-11-27 20:08:18.837019+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 8, 37, 5, '2026-11-27 20:08:18.736396+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 18, 36, 5, '2026-11-27 20:08:18.736396+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 24, 41, 6, '2026-11-27 20:08:18.836364+00');
INSERT INTO public.mds_runs VALUES ('01a21e9f-7b36-7181-8edc-7286d2f95092', 'tail', 'public.mine', 'public.mine', false, 'interrupted', '2026-11-27 20:08:18.050003+00', '2026-11-27 20:08:18.050003+00', '2026-11-27 20:08:18.050003+00', '[{"id": null, "name": "feed.csv", "bytes": null, "fingerprint": null}]', 0, '{"key": [], "map": [], "set": [], "null": [], "exact": false, "round": false, "slots": 64, "format": null, "symbol": null, "tenant": null, "vendor": null, "dataset": "public.mine", "decimal": ",", "quality": null, "timezone": "Europe/Berlin", "delimiter": ";", "keep-case": false, "no-header": false, "timeframe": null, "date-order": "dmy", "skip-lines": null, "on-conflict": null, "name-pattern": null, "timestamp-unit": null}', '7d9999bedf3875c77ce739e7ab0e46cc', 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, false, NULL, '01a21e9f-7c22-7599-a029-4d94b5fc3f99', 2, 'vm', 21164, '15b920ce-8b90-405d-b792-9f0870cc27c8/pid:[4026531836]/8816295', '0.1.0');
INSERT INTO public.mds_runs VALUES ('01a21e9f-7c22-7599-a029-4d94b5fc3f99', 'tail', 'public.mine', 'public.mine', false, 'running', '2026-11-27 20:08:18.351353+00', '2026-11-27 20:08:18.600763+00', NULL, '[{"id": null, "name": "feed.csv", "bytes": null, "fingerprint": null}]', 0, '{"key": [], "map": [], "set": [], "null": [], "exact": false, "round": false, "slots": 64, "format": null, "symbol": null, "tenant": null, "vendor": null, "dataset": "public.mine", "decimal": ",", "quality": null, "timezone": "Europe/Berlin", "delimiter": ";", "keep-case": false, "no-header": false, "timeframe": null, "date-order": "dmy", "skip-lines": null, "on-conflict": null, "name-pattern": null, "timestamp-unit": null}', '7d9999bedf3875c77ce739e7ab0e46cc', 60, 8, 0, 0, 0, 2, 0, 20, NULL, NULL, false, '01a21e9f-7b36-7181-8edc-7286d2f95092', NULL, 2, 'vm', 21191, '15b920ce-8b90-405d-b792-9f0870cc27c8/pid:[4026531836]/8816321', '0.1.0');
INSERT INTO public.mine VALUES (2, '2024-01-02 09:00:02', 'S2', 102.2500);
INSERT INTO public.mine VALUES (3, '2024-01-02 09:00:03', 'S3', 103.2500);
INSERT INTO public.mine VALUES (6, '2024-01-02 09:00:06', 'S6', 106.2500);
INSERT INTO public.mine VALUES (7, '2024-01-02 09:00:07', 'S0', 107.2500);
INSERT INTO public.mine VALUES (9, '2024-01-02 09:00:09', 'S2', 109.2500);
INSERT INTO public.mine VALUES (10, '2024-01-02 09:00:10', 'S3', 110.2500);
INSERT INTO public.mine VALUES (12, '2024-01-02 09:00:12', 'S5', 112.2500);
INSERT INTO public.mine VALUES (13, '2024-01-02 09:00:13', 'S6', 113.2500);
INSERT INTO public.mine VALUES (15, '2024-01-02 09:00:15', 'S1', 115.2500);
INSERT INTO public.mine VALUES (17, '2024-01-02 09:00:17', 'S3', 117.2500);
INSERT INTO public.mine VALUES (1, '2024-01-02 09:00:01', 'S1', 101.2500);
INSERT INTO public.mine VALUES (4, '2024-01-02 09:00:04', 'S4', 104.2500);
INSERT INTO public.mine VALUES (5, '2024-01-02 09:00:05', 'S5', 105.2500);
INSERT INTO public.mine VALUES (8, '2024-01-02 09:00:08', 'S1', 108.2500);
INSERT INTO public.mine VALUES (11, '2024-01-02 09:00:11', 'S4', 111.2500);
INSERT INTO public.mine VALUES (18, '2024-01-02 09:00:18', 'S4', 118.2500);
INSERT INTO public.mine VALUES (14, '2024-01-02 09:00:14', 'S0', 114.2500);
INSERT INTO public.mine VALUES (16, '2024-01-02 09:00:16', 'S2', 116.2500);
INSERT INTO public.mine VALUES (19, '2024-01-02 09:00:19', 'S5', 119.2500);
INSERT INTO public.mine VALUES (20, '2024-01-02 09:00:20', 'S6', 120.2500);
INSERT INTO public.mine VALUES (22, '2024-01-02 09:00:22', 'S1', 122.2500);
INSERT INTO public.mine VALUES (24, '2024-01-02 09:00:24', 'S3', 124.2500);
INSERT INTO public.mine VALUES (21, '2024-01-02 09:00:21', 'S0', 121.2500);
INSERT INTO public.mine VALUES (23, '2024-01-02 09:00:23', 'S2', 123.2500);
INSERT INTO public.mine VALUES (26, '2024-01-02 09:00:26', 'S5', 126.2500);
INSERT INTO public.mine VALUES (27, '2024-01-02 09:00:27', 'S6', 127.2500);
INSERT INTO public.mine VALUES (28, '2024-01-02 09:00:28', 'S0', 128.2500);
INSERT INTO public.mine VALUES (29, '2024-01-02 09:00:29', 'S1', 129.2500);
INSERT INTO public.mine VALUES (30, '2024-01-02 09:00:30', 'S2', 130.2500);
INSERT INTO public.mine VALUES (31, '2024-01-02 09:00:31', 'S3', 131.2500);
INSERT INTO public.mine VALUES (32, '2024-01-02 09:00:32', 'S4', 132.2500);
INSERT INTO public.mine VALUES (33, '2024-01-02 09:00:33', 'S5', 133.2500);
INSERT INTO public.mine VALUES (35, '2024-01-02 09:00:35', 'S0', 135.2500);
INSERT INTO public.mine VALUES (34, '2024-01-02 09:00:34', 'S6', 134.2500);
INSERT INTO public.mine VALUES (36, '2024-01-02 09:00:36', 'S1', 136.2500);
INSERT INTO public.mine VALUES (37, '2024-01-02 09:00:37', 'S2', 137.2500);
INSERT INTO public.mine VALUES (38, '2024-01-02 09:00:38', 'S3', 138.2500);
INSERT INTO public.mine VALUES (39, '2024-01-02 09:00:39', 'S4', 139.2500);
INSERT INTO public.mine VALUES (41, '2024-01-02 09:00:41', 'S6', 141.2500);
INSERT INTO public.mine VALUES (40, '2024-01-02 09:00:40', 'S5', 140.2500);
ALTER TABLE ONLY public.mds_checkpoints
    ADD CONSTRAINT mds_checkpoints_pkey PRIMARY KEY (run_id, slot);
ALTER TABLE ONLY public.mds_runs
    ADD CONSTRAINT mds_runs_pkey PRIMARY KEY (run_id);
