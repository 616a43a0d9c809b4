import { endNotes } from '../support/seen-replies';

export default async function globalTeardown(): Promise<void> {
  endNotes();
  await globalThis.clusterServers?.cluster.stop();
  await globalThis.clusterServers?.servers.stop();
}
