import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, startService, TestService } from './support/app';
import { newAdministrator, newSignedIn } from './support/people';
import { Scrape } from './support/prometheus-text';
import { Expression, readExpression, Selector } from './support/promql';

interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: { uid: string };
  fieldConfig?: { defaults: { unit: string } };
  targets?: { refId: string; expr: string; datasource: { uid: string } }[];
}

/** What Prometheus adds to every series itself. */
const FROM_PROMETHEUS = ['instance', 'job'];
/** The series that Prometheus makes itself, one a target: 1 where the scrape came to something, else 0. */
const UP = 'up';

const read = (file: string): string => readFileSync(join(__dirname, '../docs/grafana', file), 'utf8');
const dashboard = JSON.parse(read('user-service.json')) as {
  schemaVersion: number;
  panels: Panel[];
  templating: { list: { name: string; type: string; definition?: string }[] };
};
const rows = dashboard.panels.filter(({ type }) => type === 'row');
const panels = dashboard.panels.filter(({ type }) => type !== 'row');
const shown = panels.flatMap(({ title, targets }) => targets!.map(({ expr }) => [title, expr] as const));
const alerts = [...read('alerts.yml').matchAll(/alert: (\w+)[^]*?expr: (?:\|\n((?: {10}.*\n)+)|(.*))/g)].map(
  ([, name, block, line]) => [name!, (block ?? line)!] as const,
);
const variables = dashboard.templating.list
  .filter(({ definition }) => definition !== undefined)
  // label_values(metric, label) is Grafana's; in PromQL it is the label that is grouped by.
  .map(
    ({ name, definition }) =>
      [
        `variable ${name}`,
        definition!.replace(/^label_values\((\w+), (\w+)\)$/, 'sum by ($2) ($1)'),
      ] as const,
  );

describe('The Grafana dashboard and the alerts', () => {
  let service: TestService;
  let scrape: Scrape;

  beforeAll(async () => {
    service = await startService();
    const admin = await newAdministrator(service);
    const { accessToken } = await newSignedIn(service);
    await service.client().get('/v1/users/me', accessToken).expect(200);
    await service.client().get('/v1/users', admin.accessToken);
    const metric = async (name: string) => (await Scrape.of(service)).series(name).length > 0;
    await eventually(() => metric('user_service_events_published_total'), 'published events');
    await eventually(() => metric('user_service_mail_outbox'), 'a look at the outbox');
    scrape = await Scrape.of(service);
  });
  afterAll(() => service.stop());

  const labelsOf = ({ name }: Selector): Set<string> =>
    new Set([...FROM_PROMETHEUS, ...scrape.series(name).flatMap(({ labels }) => Object.keys(labels))]);

  /** What a scrape does not have, and an expression asks for. */
  function unknownIn({ selectors, grouping }: Expression): string[] {
    return selectors.flatMap((selector) => {
      const { name, matchers } = selector;
      if (name !== UP && scrape.series(name).length === 0) return [name];
      const labels = labelsOf(selector);
      const asked = [...matchers.map(({ label }) => label), ...grouping];
      const values = matchers
        .filter(({ operator, label }) => operator === '=' && !FROM_PROMETHEUS.includes(label))
        .filter(({ label, value }) => scrape.series(name, { [label]: value }).length === 0);
      return [
        ...asked.filter((label) => !labels.has(label)).map((label) => `${name}{${label}}`),
        ...values.map(({ label, value }) => `${name}{${label}="${value}"}`),
      ];
    });
  }

  it.each([...shown, ...alerts, ...variables])(
    'ask for nothing that /metrics does not have: %s',
    (_title, expr) => {
      const expression = readExpression(expr);
      expect(expression.selectors).not.toEqual([]);
      expect(unknownIn(expression)).toEqual([]);
    },
  );

  it('count with counters, and take quantiles of buckets', () => {
    for (const [, expr] of [...shown, ...alerts]) {
      const { selectors } = readExpression(expr);
      for (const { name } of selectors) {
        const isGrowing = /_(total|count|sum|bucket)$/.test(name) && scrape.types.get(name) !== 'gauge';
        const within = new RegExp(`(rate|increase)\\(${name}(\\{[^}]*\\})?\\[`).test(expr);
        expect([expr, within]).toEqual([expr, isGrowing]);
        if (name.endsWith('_bucket')) expect(expr).toMatch(/histogram_quantile\(.*sum by \(.*le\b/);
      }
    }
  });

  it('know the service by the job that the scrape in README.md has', () => {
    const [, job] = /job_name: (\S+)/.exec(read('README.md')) ?? [];
    const asked = [...shown, ...alerts].flatMap(([, expr]) => readExpression(expr).selectors);
    const jobs = asked.flatMap(({ matchers }) => matchers.filter(({ label }) => label === 'job'));
    expect(jobs.map(({ operator, value }) => [operator, value])).toContainEqual(['=', job]);
    expect(new Set(jobs.map(({ value }) => value)).size).toBe(1);
    // Or Prometheus would keep two under one name.
    expect(scrape.types.has(UP)).toBe(false);
  });

  it('show every metric of this service', () => {
    const own = [...scrape.types.keys()].filter((name) => name.startsWith('user_service_'));
    const asked = shown.flatMap(([, expr]) => readExpression(expr).selectors.map(({ name }) => name));
    const isShown = (name: string) =>
      asked.some((other) => other === name || other.replace(/_(bucket|sum|count)$/, '') === name);
    expect(own.filter((name) => !isShown(name))).toEqual([]);
  });

  it('are whole: rows, units, places that do not overlap, one variable for the data source', () => {
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(41);
    expect(rows.map(({ title }) => title)).toHaveLength(9);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    for (const { fieldConfig, datasource, targets } of panels) {
      expect(fieldConfig!.defaults.unit).toMatch(/^(reqps|ops|s|short|percentunit|bytes)$/);
      expect(datasource!.uid).toBe('${datasource}');
      for (const target of targets!) expect(target.datasource.uid).toBe('${datasource}');
      expect(new Set(targets!.map(({ refId }) => refId)).size).toBe(targets!.length);
    }
    const taken = new Set<string>();
    for (const { gridPos: place } of dashboard.panels) {
      expect(place.x + place.w).toBeLessThanOrEqual(24);
      for (let x = place.x; x < place.x + place.w; x++) {
        for (let y = place.y; y < place.y + place.h; y++) {
          expect(taken.has(`${x} ${y}`)).toBe(false);
          taken.add(`${x} ${y}`);
        }
      }
    }
  });

  it('would be found out: another metric, label or value is noticed', () => {
    const unknown = (expr: string) => unknownIn(readExpression(expr));
    expect(alerts).toHaveLength(read('alerts.yml').match(/- alert:/g)!.length);
    expect(unknown('sum(rate(user_service_sign_ins_total[5m]))')).toEqual([]);
    expect(unknown('sum(rate(user_service_signins_total[5m]))')).toEqual(['user_service_signins_total']);
    expect(unknown('sum by (user) (rate(user_service_sign_ins_total[5m]))')).toEqual([
      'user_service_sign_ins_total{user}',
    ]);
    expect(unknown('rate(user_service_sign_ins_total{result="ok"}[5m])')).toEqual([
      'user_service_sign_ins_total{result="ok"}',
    ]);
    expect(unknown('max by (version) (up{job="another"}) == 0')).toEqual(['up{version}']);
    expect(unknown('absent(upp)')).toEqual(['upp']);
    expect(() => readExpression('sum(rate(a[5m])')).toThrow('brackets');
  });
});
