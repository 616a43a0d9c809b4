/** What was found a moment ago is no longer so: look again. Never leaves this folder. */
export class LinkRaced extends Error {
  constructor() {
    super('another sign-in has changed the account meanwhile');
    this.name = 'LinkRaced';
  }
}
