import { write, writeSync } from 'node:fs';
import type { DestinationStream } from 'pino';

const STDOUT = 1;
/** Milliseconds that a line may wait for company. */
const WAIT_MS = 10;
/** Milliseconds after which a full pipe is tried again. */
const AGAIN_MS = 10;
/** Milliseconds for what is left when the process ends. */
const LAST_MS = 1_000;
/** Bytes: Linux' PIPE_BUF. Nothing comes between what is written to a pipe at once, and workers write to the same one. */
const PIECE = 4_096;
/** Bytes that wait for whoever should read them. */
const MOST = 8 * 1024 * 1024;

/** Whole lines. */
interface Piece {
  text: string;
  bytes: number;
  lines: number;
  /** What a full pipe has not taken yet, once it has been tried. */
  rest?: Buffer;
}

/**
 * Standard output, in two ways that keep the order of lines (but for the last ones of a process, which may overtake
 * those that are being written). Neither waits for whoever reads it, nor fails with him: what cannot be written, or
 * finds too many others waiting, is lost, and a line says how much that was.
 *
 * A write for each line of the access log took a seventh of the time of a small request, so those lines gather for a
 * few milliseconds. A process that ends writes what has gathered, also after an exception; one that is killed (SIGKILL)
 * loses it. What must not be lost is an event, and in PostgreSQL before the reply.
 */
class LogOutput {
  private readonly pieces: Piece[] = [];
  private bytes = 0;
  private lostLines = 0;
  private timer?: NodeJS.Timeout;
  /** Milliseconds of `performance.now()`. */
  private writingSince?: number;

  constructor() {
    // With this Node makes a pipe one that is never waited for: who stopped reading holds neither a thread nor the end.
    void process.stdout;
    process.on('exit', () => this.flushSync());
  }

  /** Writes a line as soon as it is there, with those that wait. */
  readonly now: DestinationStream & { flushSync(): void } = {
    write: (line) => {
      this.add(line);
      this.flush();
    },
    flushSync: () => this.flushSync(),
  };

  /** Writes a line soon, with others. */
  readonly soon: DestinationStream = {
    write: (line) => {
      this.add(line);
      this.flushIn(WAIT_MS);
    },
  };

  private add(text: string): void {
    const bytes = Buffer.byteLength(text);
    if (this.bytes + bytes > MOST) {
      this.lostLines++;
      return;
    }
    this.bytes += bytes;
    const last = this.pieces.at(-1);
    if (!last || last.rest || last.bytes + bytes > PIECE) {
      this.pieces.push({ text, bytes, lines: 1 });
      return;
    }
    last.text += text;
    last.bytes += bytes;
    last.lines++;
  }

  private flushIn(milliseconds: number): void {
    this.timer ??= setTimeout(() => this.flush(), milliseconds).unref();
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.writingSince !== undefined) return;
    const piece = this.pieces.shift();
    if (piece) this.write(piece, bytesOf(piece));
  }

  private write(piece: Piece, rest: Buffer): void {
    this.writingSince ??= performance.now();
    write(STDOUT, rest, (error, written) => {
      if (!error && written < rest.length) return this.write(piece, rest.subarray(written));
      this.writingSince = undefined;
      if (error?.code === 'EAGAIN') {
        this.pieces.unshift({ ...piece, rest });
        return this.flushIn(AGAIN_MS);
      }
      this.bytes -= piece.bytes;
      if (error) this.lostLines += piece.lines;
      else this.tellOfLost();
      this.flush();
    });
  }

  private tellOfLost(): void {
    if (this.lostLines === 0 || this.pieces.length > 0) return;
    const msg = `${this.lostLines} lines of the log could not be written`;
    this.lostLines = 0;
    this.add(`${JSON.stringify({ level: 'warn', time: new Date().toISOString(), pid: process.pid, msg })}\n`);
  }

  /** All but what is being written; that is left to whoever does it. Gives up where nobody reads. */
  private flushSync(): void {
    const now = performance.now();
    if (this.writingSince !== undefined && now - this.writingSince > LAST_MS) return;
    for (const piece of this.pieces.splice(0)) {
      this.bytes -= piece.bytes;
      if (!writeAll(bytesOf(piece), now + LAST_MS)) return;
    }
  }
}

/** @returns whether it could be written until then. */
function writeAll(bytes: Buffer, deadline: number): boolean {
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(STDOUT, bytes, done);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || performance.now() > deadline) return false;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, AGAIN_MS);
    }
  }
  return true;
}

const bytesOf = ({ text, rest }: Piece): Buffer => rest ?? Buffer.from(text);

/** One a process, as its standard output is. */
export const logOutput = new LogOutput();
