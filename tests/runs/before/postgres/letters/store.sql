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
    n integer NOT NULL,
    ts timestamp without time zone,
    symbol text,
    price numeric(12,4),
    CONSTRAINT mine_price_check CHECK ((price < (105)::numeric))
);
INSERT INTO public.mds_runs VALUES ('01a21e9f-737e-74c0-bc64-2e9ca657e8fd', 'load', 'public.mine', 'public.mine', true, 'rejects', '2026-11-27 20:08:16.050432+00', '2026-11-27 20:08:16.182516+00', '2026-11-27 20:08:16.182516+00', '[{"id": "/tmp/mdsctl-before/trades.csv", "name": "trades.csv", "bytes": 286, "fingerprint": "941fe1a349d2df6b2f10a41d1ee5b3d8"}]', 1, '{"key": ["n"], "map": [], "set": [], "null": [], "exact": false, "round": false, "slots": 64, "format": null, "symbol": null, "tenant": null, "vendor": null, "dataset": "public.mine", "decimal": ",", "quality": null, "timezone": "Europe/Berlin", "delimiter": ";", "keep-case": false, "no-header": false, "timeframe": null, "date-order": "dmy", "skip-lines": null, "on-conflict": null, "name-pattern": null, "timestamp-unit": null}', '455356af373252a7001c5b7baf45211f', 9, 3, 0, 0, 0, 6, 0, 0, 3, NULL, true, NULL, NULL, 2, 'vm', 21040, '15b920ce-8b90-405d-b792-9f0870cc27c8/pid:[4026531836]/8816099', '0.1.0');
INSERT INTO public.mine VALUES (2, '2024-01-02 09:00:02', 'S2', 102.2500);
INSERT INTO public.mine VALUES (4, '2024-01-02 09:00:04', 'S4', 104.2500);
INSERT INTO public.mine VALUES (1, '2024-01-02 09:00:01', 'S1', 101.2500);
ALTER TABLE ONLY public.mds_checkpoints
    ADD CONSTRAINT mds_checkpoints_pkey PRIMARY KEY (run_id, slot);
ALTER TABLE ONLY public.mds_runs
    ADD CONSTRAINT mds_runs_pkey PRIMARY KEY (run_id);
ALTER TABLE ONLY public.mine
    ADD CONSTRAINT mine_pkey PRIMARY KEY (n);
