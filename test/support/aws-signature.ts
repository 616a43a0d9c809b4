import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export interface AwsCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/** How AWS names what is wrong with who asks; each is a 400 in its JSON protocols. */
export type SignatureProblem =
  | 'MissingAuthenticationTokenException'
  | 'IncompleteSignatureException'
  | 'UnrecognizedClientException'
  | 'InvalidSignatureException';

const MOST_SKEW_MS = 5 * 60_000;
const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([\w-]+)\/([\w-]+)\/aws4_request, ?SignedHeaders=([\w;-]+), ?Signature=([0-9a-f]{64})$/;
/** What must not be changed on the way. */
const MUST_BE_SIGNED = ['host', 'x-amz-date', 'x-amz-target', 'content-type'];

/**
 * Verifies AWS Signature Version 4 as AWS does, of a POST to `/`.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export function signatureProblem(
  request: IncomingMessage,
  body: Buffer,
  { accessKeyId, secretAccessKey, sessionToken }: AwsCredentials,
  scope: { region: string; service: string; now: number },
): SignatureProblem | undefined {
  const { authorization } = request.headers;
  if (!authorization) return 'MissingAuthenticationTokenException';
  const [, keyId, day, region, service, signedHeaders = '', signature = ''] =
    AUTHORIZATION.exec(authorization) ?? [];
  const date = String(request.headers['x-amz-date']);
  if (!keyId || !/^\d{8}T\d{6}Z$/.test(date)) return 'IncompleteSignatureException';
  const names = signedHeaders.split(';');
  if (MUST_BE_SIGNED.some((name) => !names.includes(name))) return 'IncompleteSignatureException';
  if (keyId !== accessKeyId) return 'UnrecognizedClientException';
  if (sessionToken !== undefined || request.headers['x-amz-security-token'] !== undefined) {
    if (request.headers['x-amz-security-token'] !== sessionToken) return 'UnrecognizedClientException';
    if (!names.includes('x-amz-security-token')) return 'IncompleteSignatureException';
  }
  if (region !== scope.region || service !== scope.service || !date.startsWith(day!))
    return 'InvalidSignatureException';
  if (Math.abs(timeOf(date) - scope.now) > MOST_SKEW_MS) return 'InvalidSignatureException';
  const canonical = [
    request.method,
    '/',
    '',
    ...names.map((name) => `${name}:${String(request.headers[name]).trim().replace(/ +/g, ' ')}`),
    '',
    signedHeaders,
    sha256(body),
  ].join('\n');
  const text = ['AWS4-HMAC-SHA256', date, `${day}/${region}/${service}/aws4_request`, sha256(canonical)];
  const key = [day!, region, service, 'aws4_request'].reduce<Buffer>(
    (above, part) => hmac(above, part),
    Buffer.from(`AWS4${secretAccessKey}`),
  );
  const expected = hmac(key, text.join('\n'));
  return timingSafeEqual(expected, Buffer.from(signature, 'hex')) ? undefined : 'InvalidSignatureException';
}

const timeOf = (date: string): number =>
  Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));

const sha256 = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
