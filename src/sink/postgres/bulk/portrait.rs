//! All that makes a table what it is, beside its rows and its oid: two tables of the same portrait can take each
//! other's place, and nobody sees a difference.

use tokio_postgres::types::Type;

use crate::sink::postgres::connection::connect::Link;

/// Left out is what two tables never share (oids, files), what the server counts (its options whose names begin with
/// `pg_` among them), and the gaps that dropped columns leave. Whatever a later version adds to the catalog is compared by itself.
const PORTRAIT: &str = "\
SELECT pg_catalog.jsonb_build_object(
  'table', pg_catalog.to_jsonb(c) - '{oid,relfilenode,reltype,relpages,reltuples,relallvisible,relallfrozen,reltoastrelid,relfrozenxid,relminmxid,relhasindex,relnatts,relacl,reloptions}'::text[],
  'privileges', (SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(a) ORDER BY pg_catalog.to_jsonb(a)::text)
                 FROM pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))) a),
  'options', (SELECT pg_catalog.jsonb_agg(o ORDER BY o) FROM pg_catalog.unnest(c.reloptions) o),
  'toast', (SELECT pg_catalog.to_jsonb(t.reloptions) FROM pg_catalog.pg_class t WHERE t.oid = c.reltoastrelid),
  'columns', (SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(a) - '{attrelid,attnum,attcacheoff,attndims,attmissingval,atthasmissing,attoptions}'::text[]
                     || pg_catalog.jsonb_build_object('default', pg_catalog.pg_get_expr(d.adbin, d.adrelid),
                        'options', (SELECT pg_catalog.jsonb_agg(o ORDER BY o) FROM pg_catalog.unnest(a.attoptions) o WHERE o NOT LIKE 'pg\\_%')) ORDER BY a.attnum)
              FROM pg_catalog.pg_attribute a
              LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  'constraints', (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(k.conname, k.contype, k.convalidated, k.condeferrable, k.connoinherit,
                         pg_catalog.pg_get_constraintdef(k.oid), pg_catalog.obj_description(k.oid, 'pg_constraint')) ORDER BY k.conname)
                  FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid),
  'indexes', (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(i.relname, x.indisvalid, x.indisclustered, x.indisreplident, i.reltablespace,
                     pg_catalog.pg_get_indexdef(x.indexrelid), pg_catalog.obj_description(x.indexrelid, 'pg_class')) ORDER BY i.relname)
              FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid),
  'comments', (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(a.attname, m.description) ORDER BY a.attname)
               FROM pg_catalog.pg_description m
               LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = m.objoid AND a.attnum = m.objsubid AND m.objsubid > 0
               WHERE m.classoid = 'pg_catalog.pg_class'::regclass AND m.objoid = c.oid),
  'statistics', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_statistic_ext s WHERE s.stxrelid = c.oid),
  'policies', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid),
  'triggers', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid),
  'published', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_publication_rel r WHERE r.prrelid = c.oid),
  'labels', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_seclabel s WHERE s.objoid = c.oid)
)::text
FROM pg_catalog.pg_class c WHERE c.oid = $1";

/// The portrait of the table of that oid; `None` where there is none.
pub(super) async fn portrait(link: &Link, oid: u32) -> Result<Option<String>, tokio_postgres::Error> {
    let row = link.client.query_typed_opt(PORTRAIT, &[(&oid, Type::OID)]).await?;
    row.map(|row| row.try_get(0)).transpose()
}
