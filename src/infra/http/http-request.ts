import type {} from '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '../../common/caller';

/** What the HTTP door adds to Fastify's request. */
export interface HttpRequest extends FastifyRequest {
  /** Set by the door's guard before any controller runs. */
  caller: Caller;
}

export type HttpReply = FastifyReply;
