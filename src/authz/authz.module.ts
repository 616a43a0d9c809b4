/** Roles and permissions: what an account may do. It refuses to know how the account proved who it is. */
import { Module } from '@nestjs/common';
import { Decisions } from './decisions.service';
import { PermissionCache } from './permission-cache';
import { Principals } from './principals.service';
import { Roles } from './roles.service';

const services = [Principals, Roles, Decisions, PermissionCache];

@Module({ providers: services, exports: services })
export class AuthzModule {}
