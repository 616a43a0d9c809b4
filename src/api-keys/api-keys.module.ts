/**
 * API keys of service accounts. It refuses to give a key more than its owner holds, at the time of use.
 */
import { Module } from '@nestjs/common';

@Module({})
export class ApiKeysModule {}
