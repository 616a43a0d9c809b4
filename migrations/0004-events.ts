import { MigrationInterface, QueryRunner } from 'typeorm';

export class Events1700000000004 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE events (
        event_id uuid NOT NULL,
        event_type text NOT NULL,
        "timestamp" timestamptz NOT NULL,
        source text NOT NULL,
        priority text NOT NULL CHECK (priority IN ('low', 'normal', 'high', 'critical')),
        subject text NOT NULL,
        actor text NOT NULL,
        resource text,
        data jsonb NOT NULL,
        metadata jsonb NOT NULL,
        PRIMARY KEY (event_id, "timestamp")
      ) PARTITION BY RANGE ("timestamp")`);
    await db.query(`CREATE INDEX events_subject ON events (subject, "timestamp" DESC)`);
    await db.query(`CREATE INDEX events_type ON events (event_type, "timestamp" DESC)`);

    // Append-only, whoever asks.
    await db.query(`
      CREATE FUNCTION events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'events are append-only';
      END $$`);
    await db.query(`
      CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON events
      FOR EACH ROW EXECUTE FUNCTION events_are_append_only()`);
    await db.query(`
      CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON events
      FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only()`);

    // Whatever no monthly partition takes: an event is never refused for want of one.
    await db.query(`CREATE TABLE events_default PARTITION OF events DEFAULT`);
    // Partitions inherit the trigger on rows, but not the one on TRUNCATE.
    await db.query(`
      CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON events_default
      FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only()`);
    await db.query(`
      CREATE FUNCTION ensure_event_partitions(first_month date, months integer) RETURNS void LANGUAGE plpgsql AS $$
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
      END $$`);
    await db.query(`SELECT ensure_event_partitions((now() AT TIME ZONE 'UTC')::date, 12)`);

    await db.query(`
      CREATE TABLE event_outbox (
        -- Drawn under the subject's lock, so that within a subject its order is commit order.
        sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_id uuid NOT NULL,
        "timestamp" timestamptz NOT NULL
      )
      -- Every row is soon deleted: without frequent vacuuming the relay would wade through the dead ones.
      WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)`);
    // Which process may publish: a number that grows with every change of publisher, see infra/events/relay.
    await db.query(
      `CREATE TABLE event_relay (singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton), term bigint NOT NULL)`,
    );
    await db.query(`INSERT INTO event_relay (term) VALUES (0)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP TABLE event_relay, event_outbox, events`);
    await db.query(`DROP FUNCTION ensure_event_partitions, events_are_append_only`);
  }
}
