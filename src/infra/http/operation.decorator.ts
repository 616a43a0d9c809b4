import { applyDecorators, HttpCode, Type } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiExtraModels,
  ApiOperation,
  ApiResponse,
  ApiSecurity,
  getSchemaPath,
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

type Schema = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string];

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
  /** Headers of the reply, each with what it says. */
  replyHeaders?: Record<string, string>;
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
    ...byStatus(errors).map(([code, some]) => ApiResponse(failure(code, some))),
    ApiExtraModels(Problem, ...[options.reply ?? []].flat()),
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

const header = (description: string) => ({ description, schema: { type: 'string' as const } });

function byStatus(errors: ErrorDefinition[]): [number, ErrorDefinition[]][] {
  const grouped = new Map<number, ErrorDefinition[]>();
  for (const error of new Set(errors)) {
    const status = statusOf[error.kind];
    grouped.set(status, [...(grouped.get(status) ?? []), error]);
  }
  return [...grouped].sort(([a], [b]) => a - b);
}

function failure(status: number, errors: ErrorDefinition[]): ApiResponseOptions {
  return {
    status,
    description: errors.map((error) => `\`${error.code}\`: ${error.message}`).join('\n\n'),
    headers: {
      ...(status === 401 && { 'WWW-Authenticate': header('Bearer (RFC 6750)') }),
      ...((status === 429 || status === 503) && { 'Retry-After': header('Seconds to wait') }),
    },
    content: {
      'application/problem+json': {
        schema: { $ref: getSchemaPath(Problem) },
        examples: Object.fromEntries(
          errors.map((error) => [
            error.code,
            { summary: error.message, value: problemExample(status, error) },
          ]),
        ),
      },
    },
  };
}

function problemExample(status: number, error: ErrorDefinition): Problem {
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: error.message,
    code: error.code,
    request_id: '0192f0a4-5c1e-7cc2-b4d5-7f3d7f1e9f10',
    ...(error.kind === 'invalid' && { errors: [{ field: 'field', message: 'what is wrong with it' }] }),
    ...error.extra,
  };
}
