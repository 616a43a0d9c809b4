import { CustomDecorator, SetMetadata } from '@nestjs/common';

export const ACCEPTS_API_KEYS = 'accepts api keys';

/** Lets services in with an API key; elsewhere a session is needed. See `Operation`, which applies and documents it. */
export const AcceptApiKeys = (): CustomDecorator => SetMetadata(ACCEPTS_API_KEYS, true);
