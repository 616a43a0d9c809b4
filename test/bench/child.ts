import { ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** A part of the benchmark in a process of its own, so that no two share an event loop: it answers job after job. */
export class Child<Job, Result> {
  private readonly process: ChildProcess;

  /** @param file compiled, beside this one, without `.js`. */
  constructor(file: string) {
    this.process = fork(join(__dirname, `${file}.js`), [], { execArgv: [], serialization: 'advanced' });
  }

  get pid(): number {
    return this.process.pid!;
  }

  /** @throws Error when it takes more than five minutes, or the process ends. */
  async run(job: Job): Promise<Result> {
    this.process.send(job as object);
    const signal = AbortSignal.timeout(300_000);
    const [answer] = (await once(this.process, 'message', { signal })) as [
      { result?: Result; error?: string },
    ];
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.result as Result;
  }

  stop(): void {
    this.process.kill('SIGKILL');
  }
}

/** The other side of a `Child`. */
export function answerJobs<Job, Result>(work: (job: Job) => Promise<Result>): void {
  process.on('message', (job) => {
    work(job as Job).then(
      (result) => process.send?.({ result }),
      (error: Error) => process.send?.({ error: error.stack }),
    );
  });
}
