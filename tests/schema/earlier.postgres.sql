-- Tables of schema version 1.
CREATE TABLE ticks (
  "ts" timestamp with time zone NOT NULL,
  "ts_ns" smallint,
  "tenant_id" uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  "vendor" text COLLATE "C" NOT NULL,
  "symbol" text COLLATE "C" NOT NULL,
  "trade_id" text COLLATE "C" NOT NULL,
  "price" numeric,
  "size" numeric,
  "exchange" text,
  "side" text,
  "conditions" text,
  "extra" jsonb,
  "updated_at" timestamp with time zone NOT NULL DEFAULT now(),
  PRIMARY KEY ("symbol", "ts", "trade_id", "vendor", "tenant_id")
);
CREATE TABLE news (
  "published_at" timestamp with time zone NOT NULL,
  "tenant_id" uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  "vendor" text COLLATE "C" NOT NULL,
  "id" uuid NOT NULL,
  "symbol" text,
  "title" text NOT NULL,
  "url" text,
  "sentiment_score" numeric,
  "extra" jsonb,
  "updated_at" timestamp with time zone NOT NULL DEFAULT now(),
  PRIMARY KEY ("published_at", "vendor", "id", "tenant_id")
);
