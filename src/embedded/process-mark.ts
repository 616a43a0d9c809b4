import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process, told apart from a later one that got the same number. */
export interface ProcessMark {
  pid: number;
  /** When it started, as the system writes it. */
  started: string;
}

/** @returns undefined when there is no such process; one that only waits to be reaped counts as none. */
export function markOf(pid: number): ProcessMark | undefined {
  const status = process.platform === 'linux' ? linuxStatus(pid) : psStatus(pid);
  if (!status || /^[ZX]/.test(status.state)) return undefined;
  return { pid, started: status.started };
}

export function isRunning(mark: ProcessMark): boolean {
  return markOf(mark.pid)?.started === mark.started;
}

/**
 * Ends a process that may hang or be stopped: each signal in turn, with its time to obey.
 * @throws Error when it outlives them all.
 */
export async function endProcess(
  mark: ProcessMark,
  signals: [signal: NodeJS.Signals, milliseconds: number][],
): Promise<void> {
  for (const [signal, milliseconds] of signals) {
    if (!isRunning(mark)) return;
    sendSignal(mark, signal);
    // A process that was stopped obeys nothing else.
    sendSignal(mark, 'SIGCONT');
    const deadline = Date.now() + milliseconds;
    while (isRunning(mark) && Date.now() < deadline) await sleep(10);
  }
  if (isRunning(mark)) throw new Error(`process ${mark.pid} could not be stopped`);
}

/** Does nothing when the process has just ended by itself. */
export function sendSignal(mark: ProcessMark, signal: NodeJS.Signals): void {
  if (!isRunning(mark)) return;
  try {
    process.kill(mark.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

interface Status {
  state: string;
  started: string;
}

/** proc_pid_stat(5): state is field 3 and the start time field 22, after a name that may hold anything. */
function linuxStatus(pid: number): Status | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', started: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

function psStatus(pid: number): Status | undefined {
  try {
    const [state = '', ...started] = execFileSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
    })
      .trim()
      .split(/\s+/);
    return { state, started: started.join(' ') };
  } catch {
    return undefined;
  }
}
