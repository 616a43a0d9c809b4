import type { OpenAPIObject } from '@nestjs/swagger';
import { internalError } from '../../common/common.errors';
import { problemResponse } from './problem-response';

type Components = NonNullable<OpenAPIObject['components']>;

export interface Reference {
  $ref: string;
}

const REFRESH = '__Secure-refresh_token';
const BROWSER = '__Host-oauth_browser';
const UNPREFIXED = 'On plain-http development its name has no prefix, and it is not `Secure`.';
const REFRESH_SETTINGS = `${UNPREFIXED} \`SESSION_COOKIE_*\` set name and attributes, and a prefix in \`PUBLIC_URL\` goes before \`Path\`.`;
const SENT_BY_BROWSERS = 'A browser sends it by itself, this page too: leave it empty here.';

const headers = {
  'X-Request-ID': {
    description: 'Names the request, in our logs too: your own `X-Request-ID`, or a new one',
    schema: { type: 'string' },
    example: '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10',
  },
  'Cache-Control': {
    description: 'Nothing on the way may keep the reply',
    schema: { type: 'string', enum: ['no-store'] },
  },
  'Public-Cache-Control': {
    description: 'Everything on the way may keep the reply, for five minutes',
    schema: { type: 'string', enum: ['public, max-age=300'] },
  },
  'Retry-After': { description: 'Seconds to wait', schema: { type: 'integer' } },
  'WWW-Authenticate': {
    description: 'How to authenticate (RFC 6750)',
    schema: { type: 'string', enum: ['Bearer'] },
  },
  'Refresh-Cookie': {
    description:
      'The refresh token, where it is delivered as a cookie. `Max-Age` only in a persistent session: without, the ' +
      `cookie goes when the browser closes. ${REFRESH_SETTINGS}`,
    schema: { type: 'string' },
    example: `${REFRESH}=…; Max-Age=7776000; Path=/v1/auth; HttpOnly; Secure; SameSite=Strict`,
  },
  'No-Refresh-Cookie': {
    description: `Takes the refresh token from the browser. ${REFRESH_SETTINGS}`,
    schema: { type: 'string' },
    example: `${REFRESH}=; Max-Age=0; Path=/v1/auth; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=Strict`,
  },
  'Browser-Cookie': {
    description: `By which the callback recognises the browser. ${UNPREFIXED}`,
    schema: { type: 'string' },
    example: `${BROWSER}=…; Max-Age=600; Path=/; HttpOnly; Secure; SameSite=Lax`,
  },
} satisfies Components['headers'];

const cookies = {
  'Refresh-Cookie': {
    name: REFRESH,
    in: 'cookie',
    required: false,
    description: `The refresh token, where the body has none. ${SENT_BY_BROWSERS} ${REFRESH_SETTINGS}`,
    schema: { type: 'string' },
  },
  'Browser-Cookie': {
    name: BROWSER,
    in: 'cookie',
    required: false,
    description:
      'Set by `POST /v1/auth/oauth/google`, for ten minutes. The callback takes no `state` without it; beginning again ' +
      `keeps it, so that several tabs may. ${SENT_BY_BROWSERS} ${UNPREFIXED}`,
    schema: { type: 'string' },
  },
} satisfies Components['parameters'];

export type SharedCookie = keyof typeof cookies;

export const sharedHeader = (name: keyof typeof headers): Reference => ({
  $ref: `#/components/headers/${name}`,
});
export const sharedCookie = (name: SharedCookie): Reference => ({ $ref: `#/components/parameters/${name}` });
export const internalErrorReply: Reference = { $ref: '#/components/responses/Internal-Error' };

/** What the OpenAPI document describes once, for the operations to refer to. */
export const sharedParts = {
  headers,
  parameters: cookies,
  responses: {
    'Internal-Error': { ...problemResponse(500, [internalError]), headers: headersOfEvery(500) },
  },
} satisfies Components;

/** The headers that every reply of this status carries, whatever the operation. */
export function headersOfEvery(status: number): Record<string, Reference> {
  return {
    'X-Request-ID': sharedHeader('X-Request-ID'),
    ...(status < 300 && { 'Cache-Control': sharedHeader('Cache-Control') }),
    ...(status === 401 && { 'WWW-Authenticate': sharedHeader('WWW-Authenticate') }),
    ...((status === 429 || status === 503) && { 'Retry-After': sharedHeader('Retry-After') }),
  };
}
