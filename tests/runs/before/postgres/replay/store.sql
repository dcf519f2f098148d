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
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 3, 2, 1, '2026-11-27 20:08:17.000995+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 61, 3, 2, '2026-11-27 20:08:17.04643+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 56, 4, 2, '2026-11-27 20:08:17.045953+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 59, 6, 3, '2026-11-27 20:08:17.09268+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 62, 8, 4, '2026-11-27 20:08:17.14325+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 47, 7, 4, '2026-11-27 20:08:17.142469+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 53, 10, 5, '2026-11-27 20:08:17.190473+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 23, 12, 6, '2026-11-27 20:08:17.237502+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 12, 11, 5, '2026-11-27 20:08:17.238292+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 54, 14, 6, '2026-11-27 20:08:17.287532+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 9, 13, 7, '2026-11-27 20:08:17.288332+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 35, 15, 8, '2026-11-27 20:08:17.338304+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 21, 18, 9, '2026-11-27 20:08:17.387499+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 27, 17, 9, '2026-11-27 20:08:17.387499+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 46, 19, 8, '2026-11-27 20:08:17.437473+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 50, 20, 8, '2026-11-27 20:08:17.437473+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 6, 21, 9, '2026-11-27 20:08:17.492195+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 49, 22, 10, '2026-11-27 20:08:17.493041+00');
INSERT INTO public.mds_runs VALUES ('01a21e9f-75fc-74be-9520-6dbc40c107f2', 'load', 'public.mine', 'public.mine', false, 'rejects', '2026-11-27 20:08:16.722483+00', '2026-11-27 20:08:16.802025+00', '2026-11-27 20:08:16.802025+00', '[{"id": "/tmp/mdsctl-before/trades.csv", "name": "trades.csv", "bytes": 1809, "fingerprint": "7431da4305ac130a5c531829b5713bd7"}]', 1, '{"key": [], "map": [], "set": [], "null": [], "exact": false, "round": false, "slots": 64, "format": null, "symbol": null, "tenant": null, "vendor": null, "dataset": "public.mine", "decimal": ",", "quality": null, "timezone": "Europe/Berlin", "delimiter": ";", "keep-case": false, "no-header": false, "timeframe": null, "date-order": "dmy", "skip-lines": null, "on-conflict": null, "name-pattern": null, "timestamp-unit": null}', '7d9999bedf3875c77ce739e7ab0e46cc', 60, 0, 0, 0, 0, 60, 0, 0, 3, NULL, true, NULL, NULL, 2, 'vm', 21071, '15b920ce-8b90-405d-b792-9f0870cc27c8/pid:[4026531836]/8816163', '0.1.0');
INSERT INTO public.mds_runs VALUES ('01a21e9f-7704-7009-a5d8-93b8723373d8', 'replay-dlq', 'public.mine', 'public.mine', false, 'running', '2026-11-27 20:08:16.9551+00', '2026-11-27 20:08:17.197394+00', NULL, '[{"id": "/tmp/mdsctl-before/letters.ndjson 10027677-4497-1795810096.792568876 public.mine None", "name": "letters.1.ndjson", "bytes": null, "fingerprint": "10027677-4497-1795810096.792568876 public.mine None"}]', 0, '{"table": "public.mine"}', '38bc755381ece0f01d205b54d97e5852', 60, 8, 0, 0, 0, 0, 0, 0, NULL, NULL, true, NULL, NULL, 2, 'vm', 21086, '15b920ce-8b90-405d-b792-9f0870cc27c8/pid:[4026531836]/8816181', '0.1.0');
INSERT INTO public.mine VALUES (2, '2024-01-02 09:00:02', 'LATER', NULL);
INSERT INTO public.mine VALUES (1, '2024-01-02 09:00:01', 'LATER', NULL);
INSERT INTO public.mine VALUES (3, '2024-01-02 09:00:03', 'LATER', NULL);
INSERT INTO public.mine VALUES (4, '2024-01-02 09:00:04', 'LATER', NULL);
INSERT INTO public.mine VALUES (5, '2024-01-02 09:00:05', 'LATER', NULL);
INSERT INTO public.mine VALUES (6, '2024-01-02 09:00:06', 'LATER', NULL);
INSERT INTO public.mine VALUES (8, '2024-01-02 09:00:08', 'LATER', NULL);
INSERT INTO public.mine VALUES (7, '2024-01-02 09:00:07', 'LATER', NULL);
INSERT INTO public.mine VALUES (9, '2024-01-02 09:00:09', 'LATER', NULL);
INSERT INTO public.mine VALUES (10, '2024-01-02 09:00:10', 'LATER', NULL);
INSERT INTO public.mine VALUES (12, '2024-01-02 09:00:12', 'LATER', NULL);
INSERT INTO public.mine VALUES (11, '2024-01-02 09:00:11', 'LATER', NULL);
INSERT INTO public.mine VALUES (14, '2024-01-02 09:00:14', 'LATER', NULL);
INSERT INTO public.mine VALUES (13, '2024-01-02 09:00:13', 'LATER', NULL);
INSERT INTO public.mine VALUES (16, '2024-01-02 09:00:16', 'LATER', NULL);
INSERT INTO public.mine VALUES (15, '2024-01-02 09:00:15', 'LATER', NULL);
INSERT INTO public.mine VALUES (17, '2024-01-02 09:00:17', 'LATER', NULL);
INSERT INTO public.mine VALUES (18, '2024-01-02 09:00:18', 'LATER', NULL);
INSERT INTO public.mine VALUES (19, '2024-01-02 09:00:19', 'LATER', NULL);
INSERT INTO public.mine VALUES (20, '2024-01-02 09:00:20', 'LATER', NULL);
INSERT INTO public.mine VALUES (21, '2024-01-02 09:00:21', 'LATER', NULL);
INSERT INTO public.mine VALUES (22, '2024-01-02 09:00:22', 'LATER', NULL);
ALTER TABLE ONLY public.mds_checkpoints
    ADD CONSTRAINT mds_checkpoints_pkey PRIMARY KEY (run_id, slot);
ALTER TABLE ONLY public.mds_runs
    ADD CONSTRAINT mds_runs_pkey PRIMARY KEY (run_id);
