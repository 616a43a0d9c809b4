/**
 * The second factor: TOTP (RFC 6238), backup codes, and proof of presence for sensitive calls. It refuses to open
 * sessions, and to accept a code twice.
 */
import { Module } from '@nestjs/common';

@Module({})
export class MfaModule {}
