import { Injectable } from '@nestjs/common';
import { idBytes, idFromBytes } from '../common/ids';
import { OpaqueTokens } from '../tokens/opaque-tokens.service';

const ID_BYTES = 16;
const COUNTER_BYTES = 4;

export interface RefreshTicket {
  userId: string;
  sessionId: string;
  counter: number;
}

/** Refresh tokens: user, session and the session's counter under a MAC. Nothing of them is stored but the counter. */
@Injectable()
export class RefreshTokens {
  constructor(private readonly opaque: OpaqueTokens) {}

  seal({ userId, sessionId, counter }: RefreshTicket): string {
    const number = Buffer.alloc(COUNTER_BYTES);
    number.writeUInt32BE(counter);
    return this.opaque.seal('refresh', Buffer.concat([idBytes(userId), idBytes(sessionId), number]));
  }

  /** Null where the token was not made here. */
  async open(token: string): Promise<RefreshTicket | null> {
    const payload = await this.opaque.open('refresh', token, 2 * ID_BYTES + COUNTER_BYTES);
    return (
      payload && {
        userId: idFromBytes(payload.subarray(0, ID_BYTES)),
        sessionId: idFromBytes(payload.subarray(ID_BYTES, 2 * ID_BYTES)),
        counter: payload.readUInt32BE(2 * ID_BYTES),
      }
    );
  }
}
