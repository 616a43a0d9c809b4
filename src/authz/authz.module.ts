/** Roles and permissions: what an account may do. It refuses to know how the account proved who it is. */
import { Module } from '@nestjs/common';
import { IdentitiesModule } from '../identities/identities.module';
import { AssignRoles } from './assign-roles.service';
import { Authority } from './authority.service';
import { AuthzController } from './authz.controller';
import { CheckPermission } from './check-permission.service';
import { Decisions } from './decisions.service';
import { Grants } from './grants.service';
import { HeldPermissions } from './held-permissions.service';
import { LastAdministrator } from './last-administrator.service';
import { PermissionCache } from './permission-cache';
import { Principals } from './principals.service';
import { ResourceAccess } from './resource-access.service';
import { RolesController } from './roles.controller';
import { Roles } from './roles.service';

const shared = [Principals, Roles, Decisions, PermissionCache, Authority, LastAdministrator, ResourceAccess];

@Module({
  imports: [IdentitiesModule],
  controllers: [AuthzController, RolesController],
  providers: [...shared, CheckPermission, HeldPermissions, Grants, AssignRoles],
  exports: shared,
})
export class AuthzModule {}
