import { createHash } from 'node:crypto';
import { validationFailed } from '../../common/common.errors';
import { LinkBody } from './links.dto';

/** Printable ASCII, as HTTP has it in header fields. */
const IDEMPOTENCY_KEY = /^[\x20-\x7e]{1,255}$/;

/** A request to link an account, as it is compared with others: by hashes alone, because it is full of secrets. */
export interface LinkRequest {
  broker: string;
  nickname: string | null;
  apiKeyHash: Buffer;
  /** SHA-256 of what the caller calls the request, and of what the request says. */
  idempotency: { keyHash: Buffer; requestHash: Buffer } | null;
}

/** @throws validation_failed for an Idempotency-Key that is none */
export function linkRequest(body: LinkBody, idempotencyKey: string | undefined): LinkRequest {
  const { broker, api_key, api_secret, request_token, access_token, nickname } = body;
  if (idempotencyKey !== undefined && !IDEMPOTENCY_KEY.test(idempotencyKey)) throw badKey();
  return {
    broker,
    nickname: nickname ?? null,
    apiKeyHash: apiKeyHash(api_key),
    idempotency:
      idempotencyKey === undefined
        ? null
        : {
            keyHash: sha256(idempotencyKey),
            requestHash: sha256(
              JSON.stringify(
                [broker, api_key, api_secret, request_token, access_token, nickname].map(orNull),
              ),
            ),
          },
  };
}

/** By which accounts with the same app are found. */
export const apiKeyHash = (apiKey: string): Buffer => sha256(apiKey);

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Left out and null are the same request. */
const orNull = (value: string | null | undefined): string | null => value ?? null;

const badKey = (): Error =>
  validationFailed({
    fields: [
      { field: 'Idempotency-Key', message: 'Idempotency-Key must have 1 to 255 printable ASCII characters' },
    ],
  });
