-- Who may do what in the database of a decision trail; run as the owner of its tables, once they are
-- made, and again after `miaopi audit migrate`, which makes some of them anew:
--
--     psql -v ON_ERROR_STOP=1 -f roles.sql DATABASE
--     CREATE ROLE miaopi_service LOGIN IN ROLE miaopi_appender;   -- and a password, or peer
--
-- The tables are made by `miaopi audit create` as their owner; `miaopi audit migrate` needs it, too.
-- 谁可在决定记录的数据库中做什么；建表后以表的属主身份执行，迁移后再执行一次。服务账号只能追加，不能改删条目。

DO $$ BEGIN CREATE ROLE miaopi_appender NOLOGIN; EXCEPTION WHEN duplicate_object THEN END $$;
DO $$ BEGIN CREATE ROLE miaopi_keeper NOLOGIN; EXCEPTION WHEN duplicate_object THEN END $$;
DO $$ BEGIN CREATE ROLE miaopi_auditor NOLOGIN; EXCEPTION WHEN duplicate_object THEN END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, miaopi_appender, miaopi_keeper, miaopi_auditor;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO miaopi_appender, miaopi_keeper, miaopi_auditor;

-- Auditors read: everything is derived again from it, and sealed parts are ciphertext.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO miaopi_auditor;

-- Services append. Of an entry nothing can be changed or deleted, nor of a tile or an archived release.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO miaopi_appender;
GRANT INSERT ON log_entries, log_tiles, log_latest, sealed, subject_keys, entries, mark_sets, spans, cases,
  archive TO miaopi_appender;
GRANT UPDATE (size, root, frontier) ON log_head TO miaopi_appender;
GRANT UPDATE (idx) ON log_latest TO miaopi_appender;
GRANT UPDATE (earliest, latest) ON spans TO miaopi_appender;
GRANT UPDATE (case_number, caller, matter, state, filing_date, create_time, due_time, latest_index)
  ON cases TO miaopi_appender;

-- An erasure destroys what tells who; the entry that tells of it stays.
GRANT DELETE ON sealed, subject_keys TO miaopi_appender;
GRANT UPDATE (subject_key_id, wrapped_key) ON sealed TO miaopi_appender;
GRANT UPDATE (subject_tag) ON entries TO miaopi_appender;

-- Whoever renews the master key, or recovers a trail, wraps keys anew.
GRANT miaopi_appender TO miaopi_keeper;
-- Services whose account is a keeper can renew it while they run (GRANT miaopi_keeper TO …).
GRANT UPDATE (wrapped) ON subject_keys, service_keys TO miaopi_keeper;
GRANT INSERT, DELETE ON service_keys TO miaopi_keeper;
