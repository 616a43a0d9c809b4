/** Rate limits. They fail closed, and hold no address in the clear. */
import { Global, Module } from '@nestjs/common';
import { Limits } from './limits';
import { MailRequestLimit } from './mail-request-limit';

@Global()
@Module({ providers: [Limits, MailRequestLimit], exports: [Limits, MailRequestLimit] })
export class LimitsModule {}
