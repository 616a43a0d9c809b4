/**
 * What a process may remember of Redis without ever being wrong about it. It owns the second connection, the lease and
 * the list of readers; it refuses to know what the values mean, and to answer where it is not certain.
 */
import { Global, Module } from '@nestjs/common';
import { NearCache } from './near-cache';

@Global()
@Module({ providers: [NearCache], exports: [NearCache] })
export class NearModule {}
