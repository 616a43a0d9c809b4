import { logOutput } from '../../src/infra/logging/log-output';

/** What the loggers of this process write from now on, instead of writing it. */
export interface HeardLog {
  text(): string;
  stop(): void;
}

export function listenToLog(): HeardLog {
  let text = '';
  const spies = [logOutput.now, logOutput.soon].map((output) =>
    jest.spyOn(output, 'write').mockImplementation((line) => {
      text += line;
    }),
  );
  return { text: () => text, stop: () => spies.forEach((spy) => spy.mockRestore()) };
}
