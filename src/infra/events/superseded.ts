/** Another process has become the publisher. */
export class Superseded extends Error {
  constructor(term: number) {
    super(`term ${term} is over: another process publishes`);
    this.name = 'Superseded';
  }
}
