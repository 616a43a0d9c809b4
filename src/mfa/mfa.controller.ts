import { Body, Controller, Header, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { AuthenticatedCaller } from '../common/caller';
import { featureDisabled, rateLimited } from '../common/common.errors';
import { bodyErrors } from '../infra/http/body-errors';
import { CallerParam } from '../infra/http/caller.decorator';
import { Operation } from '../infra/http/operation.decorator';
import { hashingBusy, invalidCurrentPassword } from '../passwords/passwords.errors';
import { DisableTotp } from './disable-totp.service';
import { EnableTotp } from './enable-totp.service';
import {
  BackupCodesReply,
  DisableTotpBody,
  DisableTotpReply,
  EnableTotpReply,
  MfaCodeBody,
  TotpSetupReply,
  VerifyTotpReply,
} from './mfa.dto';
import {
  invalidMfaCode,
  mfaAlreadyEnabled,
  mfaNotEnabled,
  mfaSetupRequired,
  secondFactorDamaged,
} from './mfa.errors';
import { RegenerateBackupCodes } from './regenerate-backup-codes.service';
import { SetUpTotp } from './set-up-totp.service';
import { VerifyTotp } from './verify-totp.service';

const NO_STORE = ['Cache-Control', 'no-store'] as const;
const codeErrors = [...bodyErrors, invalidMfaCode, rateLimited];
const factorErrors = [...codeErrors, mfaNotEnabled, secondFactorDamaged];

@ApiTags('Second factor')
@Controller('v1/mfa')
export class MfaController {
  constructor(
    private readonly setUp_: SetUpTotp,
    private readonly enable_: EnableTotp,
    private readonly verify_: VerifyTotp,
    private readonly disable_: DisableTotp,
    private readonly regenerate_: RegenerateBackupCodes,
  ) {}

  @Post('totp/setup')
  @Header(...NO_STORE)
  @Operation({
    summary: 'Make a secret for an authenticator',
    description:
      'It counts for nothing until a code of it is sent to `enable`. Asked again, the newer one counts.',
    reply: TotpSetupReply,
    errors: [...bodyErrors, mfaAlreadyEnabled, featureDisabled, rateLimited],
  })
  async setUp(@CallerParam() caller: AuthenticatedCaller): Promise<TotpSetupReply> {
    return this.setUp_.run(caller);
  }

  @Post('totp/enable')
  @Header(...NO_STORE)
  @Operation({
    summary: 'Turn the second factor on with a code of the new authenticator',
    description: 'Every other session ends. The owner is mailed.',
    reply: EnableTotpReply,
    errors: [...codeErrors, mfaAlreadyEnabled, mfaSetupRequired, featureDisabled],
  })
  async enable(
    @CallerParam() caller: AuthenticatedCaller,
    @Body() body: MfaCodeBody,
  ): Promise<EnableTotpReply> {
    return this.enable_.run(caller, body);
  }

  @Post('totp/verify')
  @Header(...NO_STORE)
  @Operation({
    summary: 'Prove to be there, for a sensitive call',
    description:
      'For users with a second factor. Takes a code of the authenticator or a backup code, and uses it up. Send ' +
      '`verification_token` as `X-Verification-Token` with the sensitive call: it is good once, within five minutes, in ' +
      'this session alone. After ten wrong codes in 15 minutes, wherever they were entered, no code is taken until those ' +
      'are over.',
    reply: VerifyTotpReply,
    errors: factorErrors,
  })
  async verify(
    @CallerParam() caller: AuthenticatedCaller,
    @Body() body: MfaCodeBody,
  ): Promise<VerifyTotpReply> {
    return this.verify_.run(caller, body);
  }

  @Post('totp/disable')
  @Operation({
    summary: 'Turn the second factor off',
    description: 'The backup codes no longer work. Sessions stay. The owner is mailed.',
    reply: DisableTotpReply,
    errors: [...factorErrors, invalidCurrentPassword, hashingBusy],
  })
  async disable(
    @CallerParam() caller: AuthenticatedCaller,
    @Body() body: DisableTotpBody,
  ): Promise<DisableTotpReply> {
    return this.disable_.run(caller, body);
  }

  @Post('backup-codes/regenerate')
  @Header(...NO_STORE)
  @Operation({
    summary: 'Make new backup codes',
    description: 'The old ones no longer work. The owner is mailed.',
    reply: BackupCodesReply,
    errors: factorErrors,
  })
  async regenerate(
    @CallerParam() caller: AuthenticatedCaller,
    @Body() body: MfaCodeBody,
  ): Promise<BackupCodesReply> {
    return this.regenerate_.run(caller, body);
  }
}
