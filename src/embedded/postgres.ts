import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Client, DatabaseError } from 'pg';
import { Access, DataFolder } from './data-folder';
import { postgresBinaries } from './postgres-binaries';
import { Command, ServerKind } from './server-process';
import { giveAway, makePrivateFolder, serverUser } from './server-user';

/** The role, and its database. */
const NAME = 'user_service';
const INVALID_CATALOG_NAME = '3D000';

/** Settings of `postgresql.conf` that differ from PostgreSQL's defaults. */
export type PostgresSettings = Record<string, string | number>;

export const postgresUrl = ({ port, password }: Required<Access>): string =>
  `postgres://${NAME}:${password}@127.0.0.1:${port}/${NAME}`;

/** A PostgreSQL whose data lies in the data folder; made when there is none yet. */
export async function postgresServer(data: DataFolder, settings: PostgresSettings): Promise<ServerKind> {
  const binaries = postgresBinaries();
  const folder = data.file('postgres');
  if (!existsSync(`${folder}/PG_VERSION`)) await initialise(data, `${binaries}/initdb`, folder);
  return {
    name: 'PostgreSQL',
    key: 'postgres',
    folder,
    prepare: ({ port }) => {
      // Left by a killed one; PostgreSQL would refuse to start once another process has its number.
      rmSync(`${folder}/postmaster.pid`, { force: true });
      return postgresCommand(`${binaries}/postgres`, folder, { ...settings, port });
    },
    probe: probePostgres,
  };
}

/** Under another name first, so that what was interrupted is never taken for finished. */
async function initialise(data: DataFolder, initdb: string, folder: string): Promise<void> {
  const draft = `${folder}.new`;
  const passwordFile = data.file('postgres.initial-password');
  for (const path of [draft, folder]) rmSync(path, { recursive: true, force: true });
  makePrivateFolder(draft);
  writeFileSync(passwordFile, data.access('postgres').password, { mode: 0o600 });
  giveAway(passwordFile);
  try {
    await promisify(execFile)(
      initdb,
      [
        ...['--pgdata', draft, '--username', NAME, '--pwfile', passwordFile, '--auth', 'scram-sha-256'],
        ...['--locale', 'C.UTF-8', '--encoding', 'UTF8', '--no-sync'],
      ],
      { ...serverUser(), cwd: draft, env: { PATH: process.env.PATH, TZ: 'UTC' }, timeout: 60_000 },
    );
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(draft, folder);
}

function postgresCommand(file: string, folder: string, settings: PostgresSettings): Command {
  const all: PostgresSettings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 300,
    ...settings,
  };
  return {
    file,
    args: ['-D', folder, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
  };
}

async function probePostgres(access: Required<Access>): Promise<string> {
  try {
    return await ask(postgresUrl(access), 'SHOW server_version');
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.code !== INVALID_CATALOG_NAME) throw error;
    const maintenance = new URL(postgresUrl(access));
    maintenance.pathname = '/postgres';
    await ask(maintenance.href, `CREATE DATABASE ${NAME}`);
    return ask(postgresUrl(access), 'SHOW server_version');
  }
}

/** @returns the first column of the first row, as text. */
async function ask(url: string, statement: string): Promise<string> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 1_000, query_timeout: 5_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<string[]>({ text: statement, rowMode: 'array' });
    return String(rows[0]?.[0]);
  } finally {
    await client.end().catch(() => undefined);
  }
}
