/** The part of passport-jwt that a test uses; it brings no types. */
declare module 'passport-jwt' {
  import type { Strategy as PassportStrategy } from 'passport';

  interface Options {
    jwtFromRequest: unknown;
    secretOrKeyProvider: unknown;
    algorithms: string[];
    issuer: string;
    audience: string;
  }
  type Verified = (error: Error | null, user: unknown) => void;

  export const ExtractJwt: { fromAuthHeaderAsBearerToken(): unknown };
  export const Strategy: new (
    options: Options,
    verify: (claims: Record<string, unknown>, done: Verified) => void,
  ) => PassportStrategy;
}
