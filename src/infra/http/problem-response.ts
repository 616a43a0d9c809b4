import { getSchemaPath, type ApiResponseOptions } from '@nestjs/swagger';
import { STATUS_CODES } from 'node:http';
import type { ErrorDefinition } from '../../common/app-error';
import { Problem } from './problem';

/** Describes the reply of one status, with an example of each error that it can be. */
export function problemResponse(
  status: number,
  errors: ErrorDefinition[],
): ApiResponseOptions & { description: string } {
  return {
    description: errors.map((error) => `\`${error.code}\`: ${error.message}`).join('\n\n'),
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
