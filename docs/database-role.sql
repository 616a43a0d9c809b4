-- The role that the service connects as. It owns nothing: it can record events, but neither change nor delete one, nor
-- drop a table, nor switch off a trigger. Migrations run as the owner of the tables, which the service never is.
--
-- Run it as that owner, or as a superuser, after every `npm run migrate` (it may be repeated):
--   psql "$OWNER_URL" -v ON_ERROR_STOP=1 -f docs/database-role.sql
-- then give the role a password (\password user_service_app), and the service a DATABASE_URL with both.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'user_service_app') THEN
    CREATE ROLE user_service_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION;
  END IF;
END $$;

-- What a former version of this file has given.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM user_service_app;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM user_service_app;
REVOKE CREATE ON SCHEMA public FROM PUBLIC, user_service_app;
GRANT USAGE ON SCHEMA public TO user_service_app;

-- Events, their chain and its seals: added and read.
GRANT SELECT, INSERT ON events, event_chain, event_seals TO user_service_app;
-- What of them can be erased.
GRANT SELECT, INSERT, DELETE ON event_personal_data TO user_service_app;
-- The relay: takes events out of the outbox, and notes how far it is.
GRANT SELECT, INSERT, DELETE ON event_outbox TO user_service_app;
GRANT SELECT, UPDATE ON event_relay TO user_service_app;
GRANT SELECT ON audit_retention TO user_service_app;

-- Which steps were taken; roles and permissions are given by migrations.
GRANT SELECT ON migrations, roles, permissions, role_permissions TO user_service_app;
-- Only so that it may lock the row of a role, which takes the right to change a column.
GRANT UPDATE (description) ON roles TO user_service_app;

-- Everything else is the service's to keep.
GRANT SELECT, INSERT, UPDATE, DELETE ON
  users, user_roles, user_permissions, auth_providers, known_devices, one_time_tokens, signing_keys, mail_outbox,
  totp_factors, mfa_backup_codes, api_keys, trading_accounts, trading_account_members, trading_credentials,
  audit_exports, audit_export_parts, webhooks, webhook_deliveries, webhook_fan_out
TO user_service_app;

-- Makes the partitions of the months to come, with the rights of their owner.
GRANT EXECUTE ON FUNCTION ensure_event_partitions(date, integer) TO user_service_app;
-- Drops whole months, and none that is not sealed, published and over; and for this role none at all, until the owner
-- says how old they have to be: UPDATE audit_retention SET keep_months = 84 (as AUDIT_RETENTION_MONTHS). Without that, and
-- where `audit drop` is run by the owner, this role can't make an event go by any means.
GRANT EXECUTE ON FUNCTION drop_audit_months(date, boolean) TO user_service_app;
