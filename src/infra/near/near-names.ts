import { newId } from '../../common/ids';

/**
 * What this process and the others are called in Redis. Keys belong to a numbered database, channels to all of them.
 */
export class NearNames {
  readonly id = newId();
  readonly readers = 'near:{readers}';
  /** Where everybody is asked. */
  readonly all: string;
  /** Where answers to this process go. */
  readonly own: string;

  constructor(private readonly database: number) {
    this.all = `near:${database}:all`;
    this.own = this.of(this.id);
  }

  of(id: string): string {
    return `near:${this.database}:${id}`;
  }
}
