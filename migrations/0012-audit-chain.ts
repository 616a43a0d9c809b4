import { MigrationInterface, QueryRunner } from 'typeorm';

export class AuditChain1700000000012 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await makePersonalData(db);
    await makeChain(db);
    await makePartitionsOfAll(db);
    await makeRetention(db);
    await movePersonalData(db);
    await shutOutFormerRelays(db);
    await queueHistory(db);

    // What an account's events, and those it caused for others, are listed by, newest first; and those of one type.
    await db.query(`DROP INDEX events_subject`);
    for (const [party, where] of [
      ['subject', ''],
      ['actor', 'WHERE actor <> subject'],
    ] as const)
      for (const [name, columns] of [
        [`events_${party}`, party],
        [`events_${party}_type`, `${party}, event_type`],
      ] as const)
        await db.query(
          `CREATE INDEX ${name} ON events (${columns}, "timestamp" DESC, event_id DESC) ${where}`,
        );

    await db.query(`ALTER TABLE signing_keys DROP CONSTRAINT signing_keys_use_check`);
    // 'audit': RSA, signs the daily seals, not published with those of access tokens.
    await db.query(
      `ALTER TABLE signing_keys ADD CONSTRAINT signing_keys_use_check CHECK (use IN ('access', 'opaque', 'audit'))`,
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DELETE FROM signing_keys WHERE use = 'audit'`);
    await db.query(`ALTER TABLE signing_keys DROP CONSTRAINT signing_keys_use_check`);
    await db.query(
      `ALTER TABLE signing_keys ADD CONSTRAINT signing_keys_use_check CHECK (use IN ('access', 'opaque'))`,
    );
    await db.query(`DROP INDEX events_actor_type, events_actor, events_subject_type, events_subject`);
    await db.query(`CREATE INDEX events_subject ON events (subject, "timestamp" DESC)`);

    await putPersonalDataBack(db);
    await queueUnpublished(db);
    await db.query(`ALTER TABLE event_outbox RENAME COLUMN place TO sequence`);
    await db.query(`DROP TABLE event_personal_data, event_chain, event_seals, audit_retention`);
    await db.query(`
      ALTER TABLE event_relay DROP COLUMN chain_position, DROP COLUMN chain_hash, DROP COLUMN chain_day,
        DROP COLUMN published_position, DROP COLUMN published_day`);
    await db.query(`DROP FUNCTION drop_audit_months, ensure_event_partitions`);
    await db.query(PARTITIONS_OF_EVENTS);
    await db.query(`DROP FUNCTION ensure_month_partition`);
  }
}

/**
 * What events say of a person beside ids. It can be erased; the event keeps a salted digest of it, so that the chain
 * proves what was there as long as it is there, and tells nothing afterwards.
 */
async function makePersonalData(db: QueryRunner): Promise<void> {
  await db.query(`
    CREATE TABLE event_personal_data (
      event_id uuid NOT NULL,
      "timestamp" timestamptz NOT NULL,
      -- The member of the event that it belongs to.
      part text NOT NULL CHECK (part IN ('data', 'metadata')),
      -- Whose it is; null: nobody's that is known.
      user_id uuid,
      salt bytea NOT NULL,
      content jsonb NOT NULL,
      PRIMARY KEY (event_id, "timestamp", part)
    ) PARTITION BY RANGE ("timestamp")`);
  await db.query(
    `CREATE INDEX event_personal_data_user ON event_personal_data (user_id) WHERE user_id IS NOT NULL`,
  );
  await db.query(`CREATE TABLE event_personal_data_default PARTITION OF event_personal_data DEFAULT`);
  // By part, base64url: SHA-256 of salt and canonical content.
  await db.query(`ALTER TABLE events ADD COLUMN personal_digests jsonb`);
}

/** One link for each event, in the order of the chain. */
async function makeChain(db: QueryRunner): Promise<void> {
  await db.query(`
    CREATE TABLE event_chain (
      -- 1, 2, 3, … without a gap.
      position bigint NOT NULL,
      -- Of the linking, UTC; never before that of the link before.
      day date NOT NULL,
      event_id uuid NOT NULL,
      "timestamp" timestamptz NOT NULL,
      -- SHA-256 of the event's canonical form.
      event_hash bytea NOT NULL,
      -- SHA-256 of the hash before, the position and event_hash.
      hash bytea NOT NULL,
      PRIMARY KEY (position, day)
    ) PARTITION BY RANGE (day)`);
  await db.query(`CREATE TABLE event_chain_default PARTITION OF event_chain DEFAULT`);
  // What a day's first and last link are found by.
  await db.query(`CREATE INDEX event_chain_day ON event_chain (day, position)`);
  await db.query(`
    CREATE TABLE event_seals (
      day date PRIMARY KEY,
      -- Of the first and the last link of that day; last = first - 1 on a day without any.
      first_position bigint NOT NULL,
      last_position bigint NOT NULL,
      -- The chain's hash at the end of the day.
      head bytea NOT NULL,
      kid text NOT NULL,
      -- The same, signed.
      jws text NOT NULL,
      sealed_at timestamptz NOT NULL
    )`);
  for (const table of ['event_chain', 'event_seals'])
    await db.query(`
      CREATE TRIGGER ${table}_append_only BEFORE UPDATE OR DELETE ON ${table}
      FOR EACH ROW EXECUTE FUNCTION events_are_append_only()`);
  for (const table of ['event_chain', 'event_chain_default', 'event_seals'])
    await db.query(`
      CREATE TRIGGER ${table}_no_truncate BEFORE TRUNCATE ON ${table}
      FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only()`);
  // Months that were dropped on purpose, as old as they may become.
  await db.query(`
    CREATE TABLE audit_retention (
      singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
      dropped_before date,
      -- Whole months that stay whoever asks, but the tables' owner; null: nobody else drops anything. Only the owner sets it.
      keep_months integer CHECK (keep_months > 0)
    )`);
  await db.query(`INSERT INTO audit_retention (dropped_before) VALUES (NULL)`);
  await db.query(`
    ALTER TABLE event_relay
      -- The chain's last link.
      ADD COLUMN chain_position bigint NOT NULL DEFAULT 0,
      ADD COLUMN chain_hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
      ADD COLUMN chain_day date NOT NULL DEFAULT '2000-01-01',
      -- The last link whose event is on the stream.
      ADD COLUMN published_position bigint NOT NULL DEFAULT 0,
      ADD COLUMN published_day date NOT NULL DEFAULT '2000-01-01'`);
}

const PARTITIONS_OF_EVENTS = `
  CREATE OR REPLACE FUNCTION ensure_event_partitions(first_month date, months integer) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    month date;
  BEGIN
    FOR i IN 0 .. months - 1 LOOP
      month := (date_trunc('month', first_month) + make_interval(months => i))::date;
      CONTINUE WHEN to_regclass('events_' || to_char(month, 'YYYY_MM')) IS NOT NULL;
      EXECUTE format('CREATE TABLE %I PARTITION OF events FOR VALUES FROM (%L) TO (%L)',
        'events_' || to_char(month, 'YYYY_MM'), month::timestamp AT TIME ZONE 'UTC',
        (month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
      EXECUTE format('CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON %I
        FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only()', 'events_' || to_char(month, 'YYYY_MM'));
    END LOOP;
  END $$`;

/** Partitions of all three tables, month by month. */
async function makePartitionsOfAll(db: QueryRunner): Promise<void> {
  await db.query(`
    CREATE FUNCTION ensure_month_partition(parent text, month date, bound_from text, bound_to text, append_only boolean)
    RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
      name text := parent || '_' || to_char(month, 'YYYY_MM');
    BEGIN
      IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
      EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', name, parent, bound_from, bound_to);
      -- Partitions inherit the trigger on rows, but not the one on TRUNCATE.
      IF append_only THEN
        EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I
          FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only()', parent || '_no_truncate', name);
      END IF;
    END $$`);
  await db.query(`
    CREATE OR REPLACE FUNCTION ensure_event_partitions(first_month date, months integer) RETURNS void LANGUAGE plpgsql
    -- With the rights of the tables' owner: the service's role owns nothing (docs/database-role.sql).
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
      month date;
      next_month date;
    BEGIN
      FOR i IN 0 .. months - 1 LOOP
        month := (date_trunc('month', first_month) + make_interval(months => i))::date;
        next_month := (month + interval '1 month')::date;
        PERFORM ensure_month_partition('events', month,
          (month::timestamp AT TIME ZONE 'UTC')::text, (next_month::timestamp AT TIME ZONE 'UTC')::text, true);
        PERFORM ensure_month_partition('event_personal_data', month,
          (month::timestamp AT TIME ZONE 'UTC')::text, (next_month::timestamp AT TIME ZONE 'UTC')::text, false);
        PERFORM ensure_month_partition('event_chain', month, month::text, next_month::text, true);
      END LOOP;
    END $$`);
  await db.query(`REVOKE EXECUTE ON FUNCTION ensure_event_partitions FROM PUBLIC`);
  await db.query(`SELECT ensure_event_partitions((now() AT TIME ZONE 'UTC')::date, 12)`);
}

/**
 * Drops whole months: the one way in which events go. With the rights of the tables' owner, so it asks itself whether it
 * may. Links stay a month longer than their events: an event is linked soon after its time, but by another clock, and none
 * that is left may be without its link.
 */
async function makeRetention(db: QueryRunner): Promise<void> {
  await db.query(`
    CREATE FUNCTION drop_audit_months(before date, dry_run boolean) RETURNS SETOF text LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '500ms' AS $$
    DECLARE
      bound timestamptz := before::timestamp AT TIME ZONE 'UTC';
      links_before date := (before - interval '1 month')::date;
      this_month date := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC');
      keep interval := (SELECT make_interval(months => keep_months) FROM audit_retention);
      first_seal date;
      finished bigint;
      part record;
    BEGIN
      IF before IS NULL OR before <> date_trunc('month', before) THEN
        RAISE EXCEPTION '% is not the first day of a month', before;
      END IF;
      IF before > this_month THEN
        RAISE EXCEPTION 'the month before % is not over', before;
      END IF;
      -- Or whoever steals the service's role could drop all but this month. The caller is not current_user here.
      IF coalesce(before > this_month - keep, true) AND NOT pg_has_role(session_user, current_user, 'MEMBER') THEN
        RAISE EXCEPTION 'only the owner of the tables may drop that (audit_retention.keep_months)';
      END IF;
      -- All that use more than one of them take them in this order.
      IF NOT dry_run THEN
        LOCK TABLE event_chain, events, event_personal_data IN ACCESS EXCLUSIVE MODE;
      END IF;

      SELECT min(day) INTO first_seal FROM event_seals;
      IF first_seal IS NULL THEN RAISE EXCEPTION 'no day is sealed'; END IF;
      IF (SELECT count(*) FROM event_seals WHERE day < before) <> greatest(before - first_seal, 0) THEN
        RAISE EXCEPTION 'not every day before % is sealed', before;
      END IF;
      -- Of every event that goes, the link is sealed, published, and offered to webhooks.
      SELECT least(r.published_position, w.position, (SELECT max(last_position) FROM event_seals)) INTO finished
      FROM event_relay r, webhook_fan_out w;
      IF finished IS NULL OR EXISTS (SELECT FROM event_outbox WHERE "timestamp" < bound)
        OR EXISTS (SELECT FROM event_chain WHERE position > finished AND ("timestamp" < bound OR day < before)) THEN
        RAISE EXCEPTION 'not every event before % is sealed and published', before;
      END IF;
      IF EXISTS (SELECT FROM webhook_deliveries WHERE status = 'pending' AND "timestamp" < bound) THEN
        RAISE EXCEPTION 'a webhook still waits for an event before %', before;
      END IF;

      FOR part IN
        SELECT parent.relname AS parent, child.relname AS name
        FROM pg_inherits i JOIN pg_class parent ON parent.oid = i.inhparent JOIN pg_class child ON child.oid = i.inhrelid
        WHERE i.inhparent IN ('events'::regclass, 'event_personal_data'::regclass, 'event_chain'::regclass)
          AND child.relname ~ '_[0-9]{4}_[0-9]{2}$'
          AND to_date(right(child.relname, 7), 'YYYY_MM')
            < CASE parent.relname WHEN 'event_chain' THEN links_before ELSE before END
        ORDER BY child.relname
      LOOP
        IF NOT dry_run THEN EXECUTE format('DROP TABLE %I', part.name); END IF;
        RETURN NEXT part.name;
      END LOOP;
      IF dry_run THEN RETURN; END IF;

      -- What no monthly partition had taken.
      DELETE FROM event_personal_data_default WHERE "timestamp" < bound;
      IF EXISTS (SELECT FROM events_default WHERE "timestamp" < bound) THEN
        ALTER TABLE events_default DISABLE TRIGGER events_append_only;
        DELETE FROM events_default WHERE "timestamp" < bound;
        ALTER TABLE events_default ENABLE TRIGGER events_append_only;
      END IF;
      IF EXISTS (SELECT FROM event_chain_default WHERE day < links_before) THEN
        ALTER TABLE event_chain_default DISABLE TRIGGER event_chain_append_only;
        DELETE FROM event_chain_default WHERE day < links_before;
        ALTER TABLE event_chain_default ENABLE TRIGGER event_chain_append_only;
      END IF;
      UPDATE audit_retention SET dropped_before = greatest(dropped_before, before);
    END $$`);
  await db.query(`REVOKE EXECUTE ON FUNCTION drop_audit_months FROM PUBLIC`);
}

/** Until now the address and the program of whoever acted, and texts that people wrote, were in the events themselves. */
async function movePersonalData(db: QueryRunner): Promise<void> {
  const userOf = (column: string): string =>
    `CASE WHEN ${column} ~ '^user:[0-9a-f-]{36}$' THEN substr(${column}, 6)::uuid END`;
  await db.query(`
    INSERT INTO event_personal_data (event_id, "timestamp", part, user_id, salt, content)
    SELECT event_id, "timestamp", 'metadata', coalesce(${userOf('actor')}, ${userOf('subject')}),
      uuid_send(gen_random_uuid()),
      jsonb_build_object('ip', metadata->'ip', 'user_agent', metadata->'user_agent')
        -- Whatever a caller chose, and may have written there.
        || CASE WHEN metadata->>'request_id' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN '{}'
                ELSE jsonb_build_object('request_id', metadata->'request_id') END
    FROM events WHERE metadata ? 'ip' AND actor <> 'system'`);
  await db.query(`
    INSERT INTO event_personal_data (event_id, "timestamp", part, user_id, salt, content)
    SELECT event_id, "timestamp", 'data', ${userOf('subject')}, uuid_send(gen_random_uuid()),
      jsonb_build_object(member, data->member)
    FROM events JOIN (VALUES
      ('user.suspended', 'reason'), ('api_key.created', 'name'), ('trading_account.linked', 'broker_user_id'),
      ('trading_account.verified', 'broker_user_id'), ('trading_account.credentials_read', 'reason')
    ) AS personal (type, member) ON type = event_type
    WHERE data->>member IS NOT NULL`);
  await unlocked(
    db,
    `WITH digests AS (
       SELECT event_id, "timestamp",
         jsonb_object_agg(part, translate(encode(sha256(salt || convert_to(canonical, 'UTF8')), 'base64'), '+/=', '-_')) AS digests,
         string_to_array(string_agg(keys, ','), ',') AS keys
       FROM (
         SELECT event_id, "timestamp", part, salt, string_agg(key, ',') AS keys,
           -- RFC 8785, of objects of texts and nulls whose names are in order.
           '{' || string_agg(to_json(key)::text || ':' || (content->key)::text, ',' ORDER BY key COLLATE "C") || '}' AS canonical
         FROM event_personal_data, LATERAL jsonb_object_keys(content) AS key
         GROUP BY event_id, "timestamp", part, salt
       ) parts
       GROUP BY event_id, "timestamp"
     )
     UPDATE events e SET
       personal_digests = digests.digests,
       metadata = CASE WHEN digests.digests ? 'metadata' THEN e.metadata - digests.keys ELSE e.metadata END,
       data = CASE WHEN digests.digests ? 'data' THEN e.data - digests.keys ELSE e.data END
     FROM digests
     WHERE e.event_id = digests.event_id AND e."timestamp" = digests."timestamp"`,
  );
}

/** What has been erased stays erased. */
async function putPersonalDataBack(db: QueryRunner): Promise<void> {
  for (const part of ['data', 'metadata'])
    await unlocked(
      db,
      `UPDATE events e SET ${part} = e.${part} || p.content
       FROM event_personal_data p
       WHERE p.event_id = e.event_id AND p."timestamp" = e."timestamp" AND p.part = '${part}'`,
    );
  await db.query(`ALTER TABLE events DROP COLUMN personal_digests`);
}

/** The owner of a table may; the step is one transaction, so nobody else finds the events without their guard. */
async function unlocked(db: QueryRunner, statement: string): Promise<void> {
  await db.query(`ALTER TABLE events DISABLE TRIGGER events_append_only`);
  await db.query(statement);
  await db.query(`ALTER TABLE events ENABLE TRIGGER events_append_only`);
}

/**
 * While instances are exchanged those of the release before go on recording events, and their relay must not: it would
 * publish history anew, and take events away before they have their link. It asks for a column that is not there any
 * more, and gives its lease up.
 */
async function shutOutFormerRelays(db: QueryRunner): Promise<void> {
  await db.query(`ALTER TABLE event_outbox RENAME COLUMN sequence TO place`);
}

/** Events of former releases get their links as all others do: first, oldest first, and without being published again. */
async function queueHistory(db: QueryRunner): Promise<void> {
  await db.query(`
    WITH history AS (
      INSERT INTO event_outbox (place, event_id, "timestamp") OVERRIDING SYSTEM VALUE
      SELECT (SELECT coalesce(min(place), 1) FROM event_outbox)
          - row_number() OVER (ORDER BY e."timestamp" DESC, e.event_id DESC),
        e.event_id, e."timestamp"
      FROM events e LEFT JOIN event_outbox o ON o.event_id = e.event_id
      WHERE o.event_id IS NULL
      RETURNING 1
    )
    UPDATE event_relay SET published_position = (SELECT count(*) FROM history)`);
}

/** The outbox as it was before: all that was not published, in order, and nothing else. */
async function queueUnpublished(db: QueryRunner): Promise<void> {
  await db.query(`
    DELETE FROM event_outbox WHERE place IN (
      SELECT place FROM event_outbox ORDER BY place
      LIMIT (SELECT greatest(published_position - chain_position, 0) FROM event_relay))`);
  await db.query(`
    INSERT INTO event_outbox (place, event_id, "timestamp") OVERRIDING SYSTEM VALUE
    SELECT (SELECT coalesce(min(place), 1) FROM event_outbox) - row_number() OVER (ORDER BY c.position DESC),
      c.event_id, c."timestamp"
    FROM event_chain c CROSS JOIN event_relay r WHERE c.position > r.published_position`);
}
