import { CustomDecorator, SetMetadata } from '@nestjs/common';

export const PUBLIC = 'public';

/** Lets everybody in. Whatever does not carry it needs a caller who has signed in: deny by default. */
export const Public = (): CustomDecorator => SetMetadata(PUBLIC, true);
