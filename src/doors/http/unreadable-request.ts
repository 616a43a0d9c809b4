import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { newId } from '../../common/ids';
import { counterOf } from '../../infra/metrics/counter-of';
import { peerAddress } from './client-address';

const unreadable = counterOf(
  'user_service_http_unreadable_requests_total',
  'Requests that were refused because they could not be read, and are in no other metric',
  { status: ['400', '408', '431'] },
);

/** Counts it, and writes the line that the access log has for every other request. No hook does. */
export function noteUnreadable(logger: Logger, requestId: string, status: number, socket: Socket): void {
  unreadable.inc({ status: String(status) });
  logger.info({ request_id: requestId, route: 'none', status, ip: peerAddress(socket) }, 'request');
}

/** Answers what is not even HTTP (or too slow, or has too long a head) with a problem, and hangs up. */
export function answerUnreadable(logger: Logger, error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const status =
    error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const requestId = newId();
  // Browsers open connections in case they need them, and let them run out.
  if (socket.bytesRead > 0) noteUnreadable(logger, requestId, status, socket);
  const body = JSON.stringify({
    type: 'about:blank',
    title: STATUS_CODES[status],
    status,
    detail: 'The request could not be read.',
    code: 'malformed_request',
    request_id: requestId,
  });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/problem+json; charset=utf-8\r\n` +
      `X-Request-ID: ${requestId}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
