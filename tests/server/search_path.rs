//! A search path that has functions of the same names before those of the server.

use crate::harness::{Postgres, Work};

#[test]
fn functions_that_shadow_those_of_the_server_are_never_called() {
    let db = Postgres::shared().database();
    db.execute(&format!(
        "CREATE SCHEMA evil;
         CREATE FUNCTION evil.count(int) RETURNS bigint LANGUAGE sql AS 'SELECT 77::bigint';
         CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS $$SELECT '1999-01-01'::timestamptz$$;
         CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE sql AS $$SELECT '90000'$$;
         CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS
           $$BEGIN RAISE 'evil'; END$$;
         CREATE FUNCTION evil.to_regclass(text) RETURNS regclass LANGUAGE sql AS 'SELECT NULL::regclass';
         CREATE FUNCTION evil.isfinite(timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE 'evil'; END$$;
         CREATE FUNCTION evil.pg_advisory_xact_lock(int, int) RETURNS void LANGUAGE plpgsql AS
           $$BEGIN RAISE 'evil'; END$$;
         CREATE FUNCTION evil.format_type(oid, int) RETURNS text LANGUAGE sql AS $$SELECT 'evil'$$;
         CREATE FUNCTION evil.has_table_privilege(oid, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
         CREATE TABLE evil.pg_class (oid oid); CREATE TABLE evil.pg_attribute (attnum int);
         CREATE TABLE evil.pg_index (x int); CREATE TABLE evil.pg_extension (extname text);
         CREATE TABLE public.t (id int PRIMARY KEY, v int, updated_at timestamptz DEFAULT pg_catalog.now());
         INSERT INTO public.t VALUES (1, 0);
         ALTER DATABASE {} SET search_path = evil, pg_catalog, public",
        db.name()
    ));
    let work = Work::new();
    let path = work.write("a.csv", "id,v\n1,1\n2,2\n");
    for (times, way) in [(2, "update"), (1, "skip"), (1, "error")] {
        for _ in 0..times {
            let flags = ["load", &path, "--table", "public.t", "--json", "--force", "--on-conflict", way];
            let run = work.mdsctl(flags).arguments(["--dlq", "dead.ndjson", "--dsn", &db.dsn()]).run();
            run.clone().expect(if way == "error" { 3 } else { 0 });
            assert_eq!(run.books().read, 2, "{way}");
        }
    }
    let sql = "SELECT string_agg(id || ':' || v, ',' ORDER BY id) FROM public.t";
    assert_eq!(db.value(sql), "1:1,2:2");
    assert_eq!(db.value("SELECT (min(updated_at) > '2000-01-01')::text FROM public.t"), "true");
    assert_eq!(work.mdsctl(["health", "--dsn", &db.dsn()]).run().code, 1, "no tables of ours, and no error");
}
