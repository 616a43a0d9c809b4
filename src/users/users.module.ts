/** People's accounts as they and administrators see them. It refuses to sign anybody in. */
import { Module } from '@nestjs/common';
import { AuthzModule } from '../authz/authz.module';
import { IdentitiesModule } from '../identities/identities.module';
import { PasswordsModule } from '../passwords/passwords.module';
import { CreateAdministrator } from './create-administrator.service';
import { Profiles } from './profile.service';
import { UsersController } from './users.controller';

@Module({
  imports: [IdentitiesModule, AuthzModule, PasswordsModule],
  controllers: [UsersController],
  providers: [Profiles, CreateAdministrator],
  exports: [CreateAdministrator],
})
export class UsersModule {}
