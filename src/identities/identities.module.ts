/** Accounts: who there is and by what address. It refuses to judge passwords, sessions or permissions. */
import { Module } from '@nestjs/common';
import { Identities } from './identities.service';

@Module({ providers: [Identities], exports: [Identities] })
export class IdentitiesModule {}
