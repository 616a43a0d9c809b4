import { Injectable } from '@nestjs/common';
import { EntityManager } from 'typeorm';
import { Caller } from '../common/caller';

type Undo = (tx: EntityManager, caller: Caller, userId: string) => Promise<void>;

/**
 * An account whose address nobody has proved may be a stranger's, made with an address that is not theirs. When the
 * owner of the address proves it and takes the account over, whatever the stranger has set up there is undone.
 */
@Injectable()
export class AccountClaims {
  private readonly undoes: Undo[] = [];

  /** Says how to undo what a feature keeps of an account. Call it when the feature starts (`onModuleInit`). */
  onClaim(undo: Undo): void {
    this.undoes.push(undo);
  }

  /** In the transaction that takes the account over, after its row is locked. */
  async run(tx: EntityManager, caller: Caller, userId: string): Promise<void> {
    for (const undo of this.undoes) await undo(tx, caller, userId);
  }
}
