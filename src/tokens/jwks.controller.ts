import { Controller, Get, Header } from '@nestjs/common';
import { ApiProperty, ApiTags } from '@nestjs/swagger';
import type { JWK } from 'jose';
import { Operation } from '../infra/http/operation.decorator';
import { sharedHeader } from '../infra/http/shared-parts';
import { KeyRing } from './key-ring';

class JsonWebKey {
  @ApiProperty({ example: 'RSA' })
  kty!: string;

  @ApiProperty({ example: 'sig' })
  use!: string;

  @ApiProperty({ example: 'dQ3pN0m0O2nYk1yKfGv0bq7lMZrcXbn1Yk3cOZKqf5U', description: 'RFC 7638 thumbprint' })
  kid!: string;

  @ApiProperty({ example: 'RS256' })
  alg!: string;

  @ApiProperty({
    example:
      '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs',
  })
  n!: string;

  @ApiProperty({ example: 'AQAB' })
  e!: string;
}

class JsonWebKeySet {
  @ApiProperty({ type: [JsonWebKey] })
  keys!: JsonWebKey[];
}

/** Public keys for everyone who checks access tokens; from memory, so they are there while the stores are down. */
@ApiTags('Tokens')
@Controller()
export class JwksController {
  constructor(private readonly ring: KeyRing) {}

  @Get(['v1/auth/.well-known/jwks.json', '.well-known/jwks.json'])
  @Header('Cache-Control', 'public, max-age=300')
  @Operation({
    summary: 'Public signing keys (JWKS, RFC 7517)',
    description:
      'Holds the next key at least ten minutes before it signs, and old keys until their last token is over.',
    reply: JsonWebKeySet,
    replyHeaders: { 'Cache-Control': sharedHeader('Public-Cache-Control') },
    public: true,
  })
  keys(): { keys: JWK[] } {
    return { keys: this.ring.published() };
  }
}
