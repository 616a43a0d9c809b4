import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { definedErrors } from '../src/common/app-error';
import '../src/app.module';
import { fillReadme, readmeTables } from '../src/docs/readme-tables';
import { ALONE, allSpecs, BATCHES, specsOf } from './batches/batches';

const ROOT = resolve(__dirname, '..');
const SRC = join(ROOT, 'src');

/** Whatever stands further right may import what stands further left. */
const LADDER = [
  'common',
  'config',
  'infra',
  'identities',
  'authz',
  'tokens',
  'sessions',
  'passwords',
  'mfa',
  'trading-accounts',
  'oauth',
  'audit',
  'webhooks',
  'api-keys',
  'auth',
  'users',
  'doors',
];
const APP = LADDER.length;

/** The only files outside the door that know of HTTP. */
const KNOWS_HTTP =
  /^(infra\/http\/|doors\/|auth\/refresh-cookie\.ts$|app\.setup\.ts$|docs\.ts$)|\.controller\.ts$/;
const HTTP_FRAMEWORK = /^(fastify|@fastify\/.*|@nestjs\/platform-fastify|express)$/;
const HTTP_EXCEPTION =
  /\b(HttpException|HttpStatus|[A-Z]\w+(?<!App)Exception)\b(?=[^;]*from '@nestjs\/common')/;

interface Import {
  /** The file it means, below src; null for a package. */
  file: string | null;
  specifier: string;
  isType: boolean;
  isDynamic: boolean;
}

interface Source {
  text: string;
  imports: Import[];
}

const sources = new Map<string, Source>(
  readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => [file, read(file)]),
);
const production = [...sources].filter(([file]) => !file.endsWith('.spec.ts'));

describe('The architecture', () => {
  it('imports only from the left of the ladder', () => {
    const upward = [...sources].flatMap(([file, { imports }]) =>
      imports
        .filter((other) => other.file !== null && rung(other.file) > rung(file))
        .map((other) => `${file} imports ${other.file}`),
    );
    expect(upward).toEqual([]);
  });

  it('has no folder that the ladder does not know', () => {
    const known = [...LADDER, 'boot', 'cli', 'docs', 'embedded'];
    const folders = readdirSync(SRC, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(folders.map(({ name }) => name).filter((name) => !known.includes(name))).toEqual([]);
  });

  it('keeps HTTP out of everything but the door and the controllers', () => {
    const guilty = production
      .filter(([file]) => !KNOWS_HTTP.test(file))
      .filter(
        ([, { text, imports }]) =>
          imports.some(({ specifier }) => HTTP_FRAMEWORK.test(specifier)) || HTTP_EXCEPTION.test(text),
      );
    expect(guilty.map(([file]) => file)).toEqual([]);
  });

  it('has no circle of imports', () => {
    expect(findCircle()).toBeNull();
  });

  it('loads the embedded servers in development alone', () => {
    const importers = production.flatMap(([file, { imports }]) =>
      imports
        .filter((other) => other.file?.startsWith('embedded/'))
        .map(({ isDynamic, isType }) => ({ file, late: isDynamic || isType })),
    );
    const outside = importers.filter(({ file }) => !file.startsWith('embedded/'));
    expect(outside.filter(({ file }) => !/^(boot|cli)\//.test(file))).toEqual([]);
    expect(outside.filter(({ late }) => !late)).toEqual([]);
  });

  it('knows each broker in its own folder and one line of the registry alone', () => {
    const folder = /^trading-accounts\/brokers\/[\w-]+\//;
    const intruders = production.flatMap(([file, { imports }]) =>
      imports
        .filter((other) => other.file !== null && folder.test(other.file))
        .filter((other) => folder.exec(file)?.[0] !== folder.exec(other.file!)![0])
        .map((other) => `${file} imports ${other.file}`),
    );
    expect(intruders).toEqual([
      'trading-accounts/brokers/broker-adapters.ts imports trading-accounts/brokers/kite/kite-broker.ts',
    ]);
    const talkative = production.filter(
      ([file, { text }]) =>
        file.startsWith('trading-accounts/') && !folder.test(file) && /kite/i.test(withoutTexts(text)),
    );
    expect(talkative.map(([file]) => file)).toEqual(['trading-accounts/brokers/broker-adapters.ts']);
  });

  it('keeps files short', () => {
    const long = [...sources]
      .filter(([file]) => file !== 'config/variables.ts')
      .map(([file, { text }]) => [file, text.split('\n').length - 1] as const)
      .filter(([, lines]) => lines > 220);
    expect(long).toEqual([]);
  });

  it('has no any, and silences no checker', () => {
    const silenced =
      /[:<,|&(]\s*any\b(?!\w|\s*[a-z])|\bas any\b|@ts-(ignore|nocheck|expect-error)|eslint-disable/;
    const guilty = [...sources].filter(([, { text }]) => silenced.test(withoutTexts(text)));
    expect(guilty.map(([file]) => file)).toEqual([]);
  });

  it('has no two bodies or replies of one name: in the OpenAPI document one would replace the other', () => {
    const names = production
      .filter(([, { text }]) => text.includes('@ApiProperty'))
      .flatMap(([, { text }]) => [...text.matchAll(/^(?:export )?class (\w+)/gm)].map(([, name]) => name));
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  it('has no vague names, barrels or forward references', () => {
    expect(
      [...sources.keys()].filter((file) => /(^|\/)(index|utils?|helpers?|.*manager)\.ts$/.test(file)),
    ).toEqual([]);
    expect(production.filter(([, { text }]) => /\bforwardRef\b/.test(text)).map(([file]) => file)).toEqual(
      [],
    );
  });
});

describe('a whole run of the tests', () => {
  it('runs every spec once, in a batch or alone', () => {
    const files = readdirSync(join(ROOT, 'test', 'batches')).filter((file) => file.endsWith('.batch.ts'));
    const names = Object.keys(BATCHES).sort();
    expect(files.sort()).toEqual(names.map((name) => `${name}.batch.ts`).sort());
    for (const name of names) {
      const text = readFileSync(join(ROOT, 'test', 'batches', `${name}.batch.ts`), 'utf8');
      expect(text).toContain(`runBatch('${name}')`);
      expect(specsOf(name)).not.toEqual([]);
    }
    expect([...names.flatMap(specsOf), ...ALONE].sort()).toEqual(allSpecs().sort());
  });
});

describe('README.md', () => {
  it('lists every error code and every setting as they are (write them with `npm run docs`)', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    expect(fillReadme(readme)).toBe(readme);
  });

  it('names each error code once', () => {
    const table = readmeTables()['error-codes']!;
    const codes = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, code]) => code);
    expect(codes).toEqual(definedErrors().map(({ code }) => code));
    expect(new Set(codes).size).toBe(codes.length);
  });
});

function rung(file: string): number {
  const index = LADDER.indexOf(file.split('/')[0]!);
  return index < 0 ? APP : index;
}

function read(file: string): Source {
  const text = readFileSync(join(SRC, file), 'utf8');
  const statements = [
    ...text.matchAll(/^(?:import|export)\s(type\s)?(?:[^;'"]*?from\s)?'([^']+)'/gm),
    ...[...text.matchAll(/\bimport\('([^']+)'\)/g)].map((match) => Object.assign(match, { late: true })),
  ];
  const imports = statements.map((match): Import => {
    const isDynamic = 'late' in match;
    const specifier = (isDynamic ? match[1] : match[2])!;
    return {
      specifier,
      isDynamic,
      isType: !isDynamic && match[1] !== undefined,
      file: fileOf(file, specifier),
    };
  });
  return { text, imports };
}

/** The file below src that a relative import means; null for packages and for what lies outside. */
function fileOf(from: string, specifier: string): string | null {
  if (!specifier.startsWith('.')) return null;
  const file = relative(SRC, resolve(SRC, dirname(from), specifier)).replace(/\.js$/, '');
  return file.startsWith('..') ? null : `${file}.ts`;
}

/** The first circle among imports that exist when the program runs, as a chain of files. */
function findCircle(): string[] | null {
  const done = new Set<string>();
  const visit = (file: string, path: string[]): string[] | null => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return null;
    for (const other of sources.get(file)?.imports ?? []) {
      if (other.file === null || other.isType || other.isDynamic) continue;
      const circle = visit(other.file, [...path, file]);
      if (circle) return circle;
    }
    done.add(file);
    return null;
  };
  for (const file of sources.keys()) {
    const circle = visit(file, []);
    if (circle) return circle;
  }
  return null;
}

/** Comments and texts may say "any". */
function withoutTexts(source: string): string {
  return source
    .replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '')
    .replace(/'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g, "''");
}
