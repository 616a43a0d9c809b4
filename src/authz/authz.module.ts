/** Roles and permissions: what an account may do. It refuses to know how the account proved who it is. */
import { Module } from '@nestjs/common';
import { Principals } from './principals.service';
import { Roles } from './roles.service';

@Module({ providers: [Principals, Roles], exports: [Principals, Roles] })
export class AuthzModule {}
