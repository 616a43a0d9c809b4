import { applyDecorators, HttpCode, Type } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiExtension,
  ApiExtraModels,
  ApiOperation,
  ApiResponse,
  ApiSecurity,
  refs,
  type ApiResponseOptions,
  type OpenAPIObject,
} from '@nestjs/swagger';
import { STATUS_CODES } from 'node:http';
import type { ErrorDefinition } from '../../common/app-error';
import {
  invalidAccessToken,
  invalidApiKey,
  notAuthenticated,
  permissionDenied,
  sessionRequired,
  unavailable,
} from '../../common/common.errors';
import { AcceptApiKeys } from './accept-api-keys.decorator';
import { Public } from './public.decorator';
import { RequirePermission } from './require-permission.decorator';
import { Problem, statusOf } from './problem';
import { problemResponse } from './problem-response';
import type { Reference, SharedCookie } from './shared-parts';

type Schema = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string];

export const COOKIE_EXTENSION = 'x-cookie';

interface OperationOptions {
  summary: string;
  description?: string;
  /** Status of success; default 200. */
  status?: number;
  /** What it answers: one class, or several for alternatives. None: no body. */
  reply?: Type | Type[];
  replyDescription?: string;
  /** Of a reply that is not always JSON: the schema of each media type. */
  replyContent?: Record<string, { schema: Schema }>;
  /** Headers of the reply beside those of every reply, each with what it says, or a `sharedHeader`. */
  replyHeaders?: Record<string, string | Reference>;
  /** That a browser may bring along. */
  cookie?: SharedCookie;
  /** Everybody may call it. Default: a signed-in caller. */
  public?: boolean;
  /** Callers must hold it, with a session or an API key. */
  permission?: string;
  /** Services may call it with an API key, or they `only`. Default: where a permission is asked for. */
  apiKeys?: boolean | 'only';
  errors?: ErrorDefinition[];
}

/** Describes one operation: who may call it, what it answers, and every error it can raise, with an example each. */
export function Operation(options: OperationOptions): MethodDecorator & ClassDecorator {
  const status = options.status ?? 200;
  const apiKeys = options.apiKeys ?? options.permission !== undefined;
  const errors = [...(options.errors ?? []), ...refusals({ ...options, apiKeys }), unavailable];
  return applyDecorators(
    HttpCode(status),
    ApiOperation({ summary: options.summary, description: description(options) }),
    ApiResponse(success(status, options)),
    ...byStatus(errors).map(([code, some]) => ApiResponse({ status: code, ...problemResponse(code, some) })),
    ApiExtraModels(Problem, ...[options.reply ?? []].flat()),
    // There is no decorator for it: `openApiDocument` makes a parameter of it.
    ...(options.cookie ? [ApiExtension(COOKIE_EXTENSION, options.cookie)] : []),
    ...(options.public ? [Public()] : []),
    ...(options.public || apiKeys === 'only' ? [] : [ApiBearerAuth()]),
    ...(apiKeys ? [AcceptApiKeys(), ApiSecurity('api_key')] : []),
    ...(options.permission === undefined ? [] : [RequirePermission(options.permission)]),
  );
}

/** What the door itself answers before the operation begins. */
function refusals({ public: isPublic, permission, apiKeys }: OperationOptions): ErrorDefinition[] {
  if (isPublic) return [];
  return [
    notAuthenticated,
    invalidAccessToken,
    apiKeys ? invalidApiKey : sessionRequired,
    ...(permission === undefined ? [] : [permissionDenied]),
  ];
}

function description({ description: text, permission }: OperationOptions): string | undefined {
  if (permission === undefined) return text;
  return [`Needs the permission \`${permission}\`.`, text].filter(Boolean).join(' ');
}

function success(
  status: number,
  { reply, replyContent, replyDescription, replyHeaders }: OperationOptions,
): ApiResponseOptions {
  const common = {
    status,
    description: replyDescription ?? STATUS_CODES[status] ?? '',
    ...(replyHeaders && {
      headers: Object.fromEntries(Object.entries(replyHeaders).map(([name, says]) => [name, header(says)])),
    }),
  };
  if (replyContent) return { ...common, content: replyContent };
  if (!reply) return common;
  if (!Array.isArray(reply)) return { ...common, type: reply };
  return { ...common, schema: { oneOf: refs(...reply) } };
}

const header = (says: string | Reference) =>
  typeof says === 'string' ? { description: says, schema: { type: 'string' as const } } : says;

function byStatus(errors: ErrorDefinition[]): [number, ErrorDefinition[]][] {
  const grouped = new Map<number, ErrorDefinition[]>();
  for (const error of new Set(errors)) {
    const status = statusOf[error.kind];
    grouped.set(status, [...(grouped.get(status) ?? []), error]);
  }
  return [...grouped].sort(([a], [b]) => a - b);
}
