import type { ServerResponse } from 'node:http';

/**
 * Trouble on request. `down`: it hangs up. `slow`: it does what it was asked for, and never answers. `reset`: likewise,
 * and the connection breaks. `limited`, `server_error`, `html` (a page for maintenance): it does nothing, and says so.
 * `rubbish`: it does it, and answers what is no JSON. `endless`: likewise, without an end.
 */
export type Fault =
  'none' | 'down' | 'slow' | 'limited' | 'rubbish' | 'server_error' | 'html' | 'endless' | 'reset';

/** @returns false where this fault leaves a call to be answered as usual; otherwise it was spoilt before anything was done. */
export function spoilBefore(fault: Fault, reply: ServerResponse): boolean {
  if (fault === 'down') reply.destroy();
  else if (fault === 'limited') {
    const body = {
      status: 'error',
      message: 'Too many requests',
      data: null,
      error_type: 'NetworkException',
    };
    reply
      .writeHead(429, { 'Content-Type': 'application/json', 'Retry-After': '2' })
      .end(JSON.stringify(body));
  } else if (fault === 'server_error') {
    const message = 'Gateway timed out';
    const body = { status: 'error', message, data: null, error_type: 'NetworkException' };
    reply.writeHead(503, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
  } else if (fault === 'html') {
    reply
      .writeHead(200, { 'Content-Type': 'text/html' })
      .end('<!doctype html><title>Maintenance</title><p>Kite will be back soon.</p>');
  } else return false;
  return true;
}

/** @returns false where the answer may go out; otherwise what was done is not told. */
export function spoilAfter(fault: Fault, reply: ServerResponse): boolean {
  if (fault === 'reset') reply.socket?.resetAndDestroy();
  else if (fault === 'rubbish')
    reply.writeHead(200, { 'Content-Type': 'application/json' }).end('{"status":"succ\u0000');
  else if (fault === 'endless') pourInto(reply);
  else return fault === 'slow';
  return true;
}

function pourInto(reply: ServerResponse): void {
  reply.writeHead(200, { 'Content-Type': 'application/json' });
  reply.write('{"status":"success","data":{"user_id":"');
  const chunk = Buffer.alloc(16_384, 'A');
  const pour = (): void => {
    while (!reply.destroyed && reply.write(chunk));
  };
  reply.on('drain', pour);
  pour();
}
