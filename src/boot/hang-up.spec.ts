import { HangUp } from './hang-up';
import type { Shutdown } from './shutdown';

describe('SIGHUP', () => {
  const { isTTY } = process.stdout;
  const exit = jest.fn<Promise<void>, [number]>();
  let hangUp: HangUp;
  let answers: number;

  beforeEach(() => {
    answers = 0;
    exit.mockReset();
    hangUp = new HangUp({ exit } as unknown as Shutdown);
  });
  afterEach(() => {
    process.stdout.isTTY = isTTY;
    process.removeAllListeners('SIGHUP');
  });
  const hear = (terminal: boolean): void => {
    process.stdout.isTTY = terminal;
    process.emit('SIGHUP', 'SIGHUP');
  };

  it('during the start is heard when it can be answered, once however often it came', () => {
    hear(false);
    hear(false);
    hangUp.answerWith(() => answers++);
    expect(answers).toBe(1);
    hear(false);
    expect(answers).toBe(2);
    expect(exit).not.toHaveBeenCalled();
  });

  it('is not answered where none came', () => {
    hangUp.answerWith(() => answers++);
    expect(answers).toBe(0);
  });

  it('of a terminal that is closed ends the service', () => {
    hangUp.answerWith(() => answers++);
    hear(true);
    expect(exit).toHaveBeenCalledWith(0);
    expect(answers).toBe(0);
  });
});
