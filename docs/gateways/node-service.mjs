// A Node service that takes access tokens of User Service. Needs `npm install jose`, and nothing secret.
//
//   ISSUER=https://id.example.com AUDIENCE=trading_platform PORT=9000 node node-service.mjs
import { createServer } from 'node:http';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';

const { ISSUER, AUDIENCE = 'trading_platform', PORT = '9000' } = process.env;

// Cached, read again for a key id it does not know (at most every 30 seconds), given up after 5 seconds.
const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', ISSUER), { cacheMaxAge: 300_000 });

/** The claims of the caller. Throws a JOSEError for whoever has no good token. */
async function authenticate({ headers }) {
  const [, token] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
  if (!token) throw new errors.JWTInvalid('no access token');
  const { payload } = await jwtVerify(token, keys, {
    algorithms: ['RS256'],
    typ: 'at+jwt',
    issuer: ISSUER,
    audience: AUDIENCE,
    requiredClaims: ['sub', 'exp', 'scope'],
  });
  return payload;
}

createServer(async (request, response) => {
  const answer = (status, body, headers = {}) =>
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body));
  try {
    const caller = await authenticate(request);
    if (request.url.startsWith('/orders') && !caller.scope.split(' ').includes('trading_account:trade')) {
      return answer(403, { title: 'Forbidden' });
    }
    return answer(200, { user: caller.sub, scope: caller.scope });
  } catch (error) {
    // That User Service can't be reached is not the caller's fault, and no reason to let anybody in.
    const unreachable = !(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout;
    if (unreachable) return answer(503, { title: 'Service Unavailable' }, { 'Retry-After': '5' });
    return answer(401, { title: 'Unauthorized' }, { 'WWW-Authenticate': 'Bearer' });
  }
}).listen(Number(PORT), () => console.log(`listening on ${PORT}`));
