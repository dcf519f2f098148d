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
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 56, 4, 1, '2026-11-27 20:08:14.806013+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 3, 2, 1, '2026-11-27 20:08:14.822451+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 61, 3, 1, '2026-11-27 20:08:14.822451+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 23, 12, 3, '2026-11-27 20:08:14.902726+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 12, 11, 3, '2026-11-27 20:08:14.90883+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 54, 14, 4, '2026-11-27 20:08:14.949196+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 27, 17, 5, '2026-11-27 20:08:14.999206+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 21, 49, 13, '2026-11-27 20:08:15.499294+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 44, 52, 14, '2026-11-27 20:08:15.549278+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 50, 20, 6, '2026-11-27 20:08:15.049113+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 49, 22, 6, '2026-11-27 20:08:15.052824+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 22, 23, 7, '2026-11-27 20:08:15.106695+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 9, 24, 7, '2026-11-27 20:08:15.106706+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 19, 26, 8, '2026-11-27 20:08:15.149255+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 35, 27, 8, '2026-11-27 20:08:15.149255+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 62, 30, 8, '2026-11-27 20:08:15.204587+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 13, 32, 10, '2026-11-27 20:08:15.249727+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 45, 34, 10, '2026-11-27 20:08:15.249727+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 6, 33, 9, '2026-11-27 20:08:15.24973+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 18, 36, 10, '2026-11-27 20:08:15.305221+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 46, 35, 10, '2026-11-27 20:08:15.305221+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 29, 38, 11, '2026-11-27 20:08:15.350968+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 31, 39, 11, '2026-11-27 20:08:15.350968+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 59, 40, 11, '2026-11-27 20:08:15.350968+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 8, 42, 11, '2026-11-27 20:08:15.399065+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 24, 41, 11, '2026-11-27 20:08:15.399065+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 53, 45, 12, '2026-11-27 20:08:15.449229+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 42, 44, 12, '2026-11-27 20:08:15.449197+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 34, 48, 13, '2026-11-27 20:08:15.499245+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 10, 50, 14, '2026-11-27 20:08:15.549278+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 1, 46, 12, '2026-11-27 20:08:15.449229+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 7, 47, 13, '2026-11-27 20:08:15.499294+00');
INSERT INTO public.mds_checkpoints VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 17, 51, 14, '2026-11-27 20:08:15.549248+00');
INSERT INTO public.mds_runs VALUES ('01a21e9f-6e0b-767d-b175-4f921998b9aa', 'load', 'public.mine', 'public.mine', false, 'running', '2026-11-27 20:08:14.726976+00', '2026-11-27 20:08:15.35913+00', NULL, '[{"id": "/tmp/mdsctl-before/trades.csv", "name": "trades.csv", "bytes": 3984, "fingerprint": "f7c841b06bd1eefc7eaf3ae04a62f948"}]', 0, '{"key": [], "map": [], "set": [], "null": [], "exact": false, "round": false, "slots": 64, "format": null, "symbol": null, "tenant": null, "vendor": null, "dataset": "public.mine", "decimal": ",", "quality": null, "timezone": "Europe/Berlin", "delimiter": ";", "keep-case": false, "no-header": false, "timeframe": null, "date-order": "dmy", "skip-lines": null, "on-conflict": null, "name-pattern": null, "timestamp-unit": null}', '7d9999bedf3875c77ce739e7ab0e46cc', 120, 36, 0, 0, 0, 2, 0, 0, NULL, NULL, true, NULL, NULL, 2, 'vm', 20940, '15b920ce-8b90-405d-b792-9f0870cc27c8/pid:[4026531836]/8815959', '0.1.0');
INSERT INTO public.mine VALUES (1, '2024-01-02 09:00:01', 'S1', 101.2500);
INSERT INTO public.mine VALUES (4, '2024-01-02 09:00:04', 'S4', 104.2500);
INSERT INTO public.mine VALUES (5, '2024-01-02 09:00:05', 'S5', 105.2500);
INSERT INTO public.mine VALUES (2, '2024-01-02 09:00:02', 'S2', 102.2500);
INSERT INTO public.mine VALUES (3, '2024-01-02 09:00:03', 'S3', 103.2500);
INSERT INTO public.mine VALUES (6, '2024-01-02 09:00:06', 'S6', 106.2500);
INSERT INTO public.mine VALUES (8, '2024-01-02 09:00:08', 'S1', 108.2500);
INSERT INTO public.mine VALUES (9, '2024-01-02 09:00:09', 'S2', 109.2500);
INSERT INTO public.mine VALUES (10, '2024-01-02 09:00:10', 'S3', 110.2500);
INSERT INTO public.mine VALUES (12, '2024-01-02 09:00:12', 'S5', 112.2500);
INSERT INTO public.mine VALUES (13, '2024-01-02 09:00:13', 'S6', 113.2500);
INSERT INTO public.mine VALUES (11, '2024-01-02 09:00:11', 'S4', 111.2500);
INSERT INTO public.mine VALUES (15, '2024-01-02 09:00:15', 'S1', 115.2500);
INSERT INTO public.mine VALUES (14, '2024-01-02 09:00:14', 'S0', 114.2500);
INSERT INTO public.mine VALUES (16, '2024-01-02 09:00:16', 'S2', 116.2500);
INSERT INTO public.mine VALUES (17, '2024-01-02 09:00:17', 'S3', 117.2500);
INSERT INTO public.mine VALUES (18, '2024-01-02 09:00:18', 'S4', 118.2500);
INSERT INTO public.mine VALUES (19, '2024-01-02 09:00:19', 'S5', 119.2500);
INSERT INTO public.mine VALUES (20, '2024-01-02 09:00:20', 'S6', 120.2500);
INSERT INTO public.mine VALUES (21, '2024-01-02 09:00:21', 'S0', 121.2500);
INSERT INTO public.mine VALUES (22, '2024-01-02 09:00:22', 'S1', 122.2500);
INSERT INTO public.mine VALUES (23, '2024-01-02 09:00:23', 'S2', 123.2500);
INSERT INTO public.mine VALUES (25, '2024-01-02 09:00:25', 'S4', 125.2500);
INSERT INTO public.mine VALUES (24, '2024-01-02 09:00:24', 'S3', 124.2500);
INSERT INTO public.mine VALUES (26, '2024-01-02 09:00:26', 'S5', 126.2500);
INSERT INTO public.mine VALUES (27, '2024-01-02 09:00:27', 'S6', 127.2500);
INSERT INTO public.mine VALUES (28, '2024-01-02 09:00:28', 'S0', 128.2500);
INSERT INTO public.mine VALUES (30, '2024-01-02 09:00:30', 'S2', 130.2500);
INSERT INTO public.mine VALUES (31, '2024-01-02 09:00:31', 'S3', 131.2500);
INSERT INTO public.mine VALUES (29, '2024-01-02 09:00:29', 'S1', 129.2500);
INSERT INTO public.mine VALUES (33, '2024-01-02 09:00:33', 'S5', 133.2500);
INSERT INTO public.mine VALUES (32, '2024-01-02 09:00:32', 'S4', 132.2500);
INSERT INTO public.mine VALUES (34, '2024-01-02 09:00:34', 'S6', 134.2500);
INSERT INTO public.mine VALUES (35, '2024-01-02 09:00:35', 'S0', 135.2500);
INSERT INTO public.mine VALUES (36, '2024-01-02 09:00:36', 'S1', 136.2500);
INSERT INTO public.mine VALUES (37, '2024-01-02 09:00:37', 'S2', 137.2500);
INSERT INTO public.mine VALUES (38, '2024-01-02 09:00:38', 'S3', 138.2500);
INSERT INTO public.mine VALUES (39, '2024-01-02 09:00:39', 'S4', 139.2500);
INSERT INTO public.mine VALUES (40, '2024-01-02 09:00:40', 'S5', 140.2500);
INSERT INTO public.mine VALUES (41, '2024-01-02 09:00:41', 'S6', 141.2500);
INSERT INTO public.mine VALUES (42, '2024-01-02 09:00:42', 'S0', 142.2500);
INSERT INTO public.mine VALUES (43, '2024-01-02 09:00:43', 'S1', 143.2500);
INSERT INTO public.mine VALUES (44, '2024-01-02 09:00:44', 'S2', 144.2500);
INSERT INTO public.mine VALUES (45, '2024-01-02 09:00:45', 'S3', 145.2500);
INSERT INTO public.mine VALUES (46, '2024-01-02 09:00:46', 'S4', 146.2500);
INSERT INTO public.mine VALUES (48, '2024-01-02 09:00:48', 'S6', 148.2500);
INSERT INTO public.mine VALUES (47, '2024-01-02 09:00:47', 'S5', 147.2500);
INSERT INTO public.mine VALUES (49, '2024-01-02 09:00:49', 'S0', 149.2500);
INSERT INTO public.mine VALUES (51, '2024-01-02 09:00:51', 'S2', 151.2500);
INSERT INTO public.mine VALUES (50, '2024-01-02 09:00:50', 'S1', 150.2500);
INSERT INTO public.mine VALUES (52, '2024-01-02 09:00:52', 'S3', 152.2500);
ALTER TABLE ONLY public.mds_checkpoints
    ADD CONSTRAINT mds_checkpoints_pkey PRIMARY KEY (run_id, slot);
ALTER TABLE ONLY public.mds_runs
    ADD CONSTRAINT mds_runs_pkey PRIMARY KEY (run_id);
