import { CustomDecorator, SetMetadata } from '@nestjs/common';

export const PERMISSION = 'permission';

/**
 * Lets in who holds a permission at this moment, as the authorization decisions say; see `Operation`, which applies
 * and documents it.
 */
export const RequirePermission = (permission: string): CustomDecorator => SetMetadata(PERMISSION, permission);
