import { ZxcvbnFactory } from '@zxcvbn-ts/core';
import * as common from '@zxcvbn-ts/language-common';
import * as english from '@zxcvbn-ts/language-en';

let zxcvbn: ZxcvbnFactory | undefined;

/**
 * How hard a password is to guess, 0 (at once) to 4 (very hard).
 * @param about words that an attacker would try first: address, name.
 */
export function passwordScore(password: string, about: string[]): number {
  // The dictionaries take some megabytes, so only where passwords are set are they loaded.
  zxcvbn ??= new ZxcvbnFactory({
    dictionary: { ...common.dictionary, ...english.dictionary },
    graphs: common.adjacencyGraphs,
  });
  return zxcvbn.check(password, about).score;
}
