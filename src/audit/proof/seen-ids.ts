import { randomBytes } from 'node:crypto';

const EMPTY = 0;
/** Of this process: whoever makes a file can't choose ids that are all put in the same place, and have it take for ever. */
const SEEDS = new Uint32Array(new Uint8Array(randomBytes(16)).buffer);

/** Which ids were there before, in 16 to 32 bytes each: of each its last 62 random bits (RFC 9562). */
export class SeenIds {
  private table = new Uint32Array(2 * 1024);
  private size = 0;

  /** @param id a UUID. @returns whether it was there before. */
  add(id: string): boolean {
    if (this.size * 2 > this.table.length / 2) this.grow();
    const high = parseInt(id.slice(19, 23) + id.slice(24, 28), 16) >>> 0;
    const low = parseInt(id.slice(28, 36), 16) >>> 0;
    // All zeros is what an empty place looks like.
    const isNew = this.put(this.table, high, low || 1);
    if (isNew) this.size++;
    return !isNew;
  }

  private put(table: Uint32Array, high: number, low: number): boolean {
    const places = table.length / 2;
    for (let place = mixed(high, low) & (places - 1); ; place = (place + 1) & (places - 1)) {
      const there = table[2 * place + 1];
      if (there === EMPTY) {
        table[2 * place] = high;
        table[2 * place + 1] = low;
        return true;
      }
      if (there === low && table[2 * place] === high) return false;
    }
  }

  private grow(): void {
    const grown = new Uint32Array(this.table.length * 2);
    for (let i = 0; i < this.table.length; i += 2) {
      if (this.table[i + 1] !== EMPTY) this.put(grown, this.table[i]!, this.table[i + 1]!);
    }
    this.table = grown;
  }
}

function mixed(high: number, low: number): number {
  let hash = 0;
  for (const [index, seed] of SEEDS.entries()) {
    hash = Math.imul(hash ^ (index % 2 === 0 ? high : low) ^ seed, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash;
}
