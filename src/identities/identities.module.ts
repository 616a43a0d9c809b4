/** Accounts: who there is and by what address. It refuses to judge passwords, sessions or permissions. */
import { Module } from '@nestjs/common';
import { AccountMails } from './account-mails.service';
import { Identities } from './identities.service';

@Module({
  providers: [Identities, AccountMails],
  exports: [Identities, AccountMails],
})
export class IdentitiesModule {}
