import { World } from './drill/world';
import { faults } from './drill/faults';

describe('The drill, its quick half: people are answered, nobody gets in, and nothing is lost', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start(true);
  }, 60_000);
  afterAll(() => world?.stop(), 30_000);

  for (const fault of faults.filter(({ isQuick }) => isQuick)) {
    const reason = fault.needs?.();
    const title = `${fault.title}${reason === undefined ? '' : ` (not here: ${reason})`}`;
    (reason === undefined ? it : it.skip)(
      title,
      async () => {
        const { answers, broken, wellAfterMs } = await fault.run(world);
        expect(broken).toEqual([]);
        expect(wellAfterMs).toBeLessThan(30_000);
        expect(answers['200']).toBeGreaterThan(10);
      },
      90_000,
    );
  }
});
