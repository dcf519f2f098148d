-- A database as the Python system keeps it, written after its description.

CREATE EXTENSION IF NOT EXISTS pgcrypto;

CREATE FUNCTION set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at = clock_timestamp();
  RETURN NEW;
END $$;

CREATE TABLE tenants (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id varchar(50) NOT NULL UNIQUE,
  name varchar(255) NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE bars (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  vendor varchar(50) NOT NULL,
  symbol varchar(20) NOT NULL CONSTRAINT bars_symbol_upper CHECK (symbol = upper(symbol)),
  timeframe varchar(16) NOT NULL,
  ts timestamptz NOT NULL,
  open_price numeric(20,8),
  high_price numeric(20,8),
  low_price numeric(20,8),
  close_price numeric(20,8),
  volume bigint,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (ts, tenant_id, vendor, symbol, timeframe)
);
CREATE INDEX bars_id ON bars (id);
CREATE INDEX bars_series ON bars (tenant_id, vendor, symbol, timeframe, ts DESC);

CREATE TABLE fundamentals (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  vendor varchar(50) NOT NULL,
  symbol varchar(20) NOT NULL CONSTRAINT fundamentals_symbol_upper CHECK (symbol = upper(symbol)),
  asof timestamptz NOT NULL,
  total_assets numeric(25,2),
  total_liabilities numeric(25,2),
  net_income numeric(25,2),
  eps numeric(10,4),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (asof, tenant_id, vendor, symbol)
);
CREATE INDEX fundamentals_id ON fundamentals (id);

CREATE TABLE news (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  vendor varchar(50) NOT NULL,
  symbol varchar(20) CONSTRAINT news_symbol_upper CHECK (symbol = upper(symbol)),
  title text NOT NULL,
  url text,
  published_at timestamptz NOT NULL,
  sentiment_score numeric(5,4),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (published_at, tenant_id, vendor, id)
);

CREATE TABLE options_snap (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  vendor varchar(50) NOT NULL,
  symbol varchar(20) NOT NULL CONSTRAINT options_snap_symbol_upper CHECK (symbol = upper(symbol)),
  expiry date NOT NULL,
  option_type varchar(1) NOT NULL CONSTRAINT options_snap_type CHECK (option_type IN ('C', 'P')),
  strike numeric(12,2) NOT NULL,
  ts timestamptz NOT NULL,
  iv numeric(6,4),
  delta numeric(8,6),
  gamma numeric(10,8),
  oi bigint,
  volume bigint,
  spot numeric(12,4),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (ts, tenant_id, vendor, symbol, expiry, option_type, strike)
);
CREATE INDEX options_snap_id ON options_snap (id);

CREATE TABLE bars_ohlcv (
  provider text NOT NULL,
  symbol text NOT NULL CONSTRAINT bars_ohlcv_symbol_upper CHECK (symbol = upper(symbol)),
  "interval" text NOT NULL,
  ts timestamptz NOT NULL,
  open double precision NOT NULL,
  high double precision NOT NULL,
  low double precision NOT NULL,
  close double precision NOT NULL,
  volume double precision NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (provider, symbol, "interval", ts)
);

CREATE TABLE job_runs (
  id bigserial PRIMARY KEY,
  job_name text NOT NULL,
  dataset_name text,
  provider text,
  mode text NOT NULL CHECK (mode IN ('live', 'backfill')),
  status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'success', 'failure', 'cancelled')),
  config_fingerprint text,
  pipeline_version text,
  rows_written bigint DEFAULT 0,
  rows_failed bigint DEFAULT 0,
  symbols text[],
  min_ts timestamptz,
  max_ts timestamptz,
  error_message text,
  metadata jsonb DEFAULT '{}',
  started_at timestamptz NOT NULL DEFAULT now(),
  completed_at timestamptz,
  elapsed_ms bigint GENERATED ALWAYS AS ((extract(epoch FROM completed_at - started_at) * 1000)::bigint) STORED
);

-- Hypertables, where the server has them.
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    PERFORM create_hypertable('bars', 'ts', chunk_time_interval => INTERVAL '7 days');
    PERFORM create_hypertable('fundamentals', 'asof', chunk_time_interval => INTERVAL '90 days');
    PERFORM create_hypertable('news', 'published_at', chunk_time_interval => INTERVAL '30 days');
    PERFORM create_hypertable('options_snap', 'ts', chunk_time_interval => INTERVAL '7 days');
    PERFORM create_hypertable('bars_ohlcv', 'ts', chunk_time_interval => INTERVAL '7 days');
    ALTER TABLE bars_ohlcv SET (timescaledb.compress,
      timescaledb.compress_segmentby = 'provider, symbol, interval', timescaledb.compress_orderby = 'ts');
    PERFORM add_compression_policy('bars_ohlcv', INTERVAL '90 days');
  END IF;
END $$;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['tenants', 'bars', 'fundamentals', 'news', 'options_snap', 'bars_ohlcv'] LOOP
    EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION set_updated_at()',
                   name || '_updated_at', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['bars', 'fundamentals', 'news', 'options_snap'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant_isolation ON %I FOR ALL
      USING (current_setting(''app.tenant_id'', true) IS NOT NULL
             AND tenant_id::text = current_setting(''app.tenant_id'', true))', name);
  END LOOP;
END $$;

CREATE VIEW latest_prices AS
  SELECT DISTINCT ON (tenant_id, vendor, symbol) tenant_id, vendor, symbol, close_price AS price, ts AS price_at
  FROM bars ORDER BY tenant_id, vendor, symbol, ts DESC;

CREATE VIEW data_freshness AS
  SELECT 'bars' AS data_type, tenant_id, vendor, symbol, max(ts) AS latest FROM bars GROUP BY 2, 3, 4
  UNION ALL
  SELECT 'fundamentals', tenant_id, vendor, symbol, max(asof) FROM fundamentals GROUP BY 2, 3, 4
  UNION ALL
  SELECT 'options', tenant_id, vendor, symbol, max(ts) FROM options_snap GROUP BY 2, 3, 4;

INSERT INTO tenants (id, tenant_id, name) VALUES
  ('7f3c2a10-5a1e-4a57-9a0e-2b6f6d1c0001', 'desk-a', 'Desk A'),
  ('7f3c2a10-5a1e-4a57-9a0e-2b6f6d1c0002', 'desk-b', 'Desk B');
