import { Controller, Get, Inject, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { CONFIG, Config } from '../../../config/config';
import type { HttpReply } from '../../../infra/http/http-request';
import { Public } from '../../../infra/http/public.decorator';
import { Page } from './html-page';
import { page } from './page';

/** What the links in mails open, until there is a web console. */
@Public()
@ApiExcludeController()
@Controller()
export class PagesController {
  private readonly verify = page({
    title: 'Confirm your e-mail address',
    call: 'v1/auth/email/verify',
    done: 'Thank you. Your e-mail address is confirmed; you can close this page.',
    fields: '<p>One click, and your e-mail address is confirmed.</p>',
    button: 'Confirm',
  });
  private readonly reset: Page;

  constructor(@Inject(CONFIG) config: Config) {
    this.reset = page({
      title: 'Choose a new password',
      call: 'v1/auth/password/reset',
      done: 'Your password is changed, and every device is signed out. Sign in with the new one.',
      fields: `<label for="password">New password</label>
<input id="password" name="new_password" type="password" autocomplete="new-password" required aria-describedby="rules">
<small id="rules">At least ${config.PASSWORD_MIN_LENGTH} characters: upper and lower case, a digit and a special character.</small>
<label><input id="reveal" type="checkbox"> Show it</label>`,
      button: 'Change password',
    });
  }

  @Get('verify-email')
  verifyEmail(@Res({ passthrough: true }) reply: HttpReply): string {
    return send(reply, this.verify);
  }

  @Get('reset-password')
  resetPassword(@Res({ passthrough: true }) reply: HttpReply): string {
    return send(reply, this.reset);
  }
}

function send(reply: HttpReply, { headers, html }: Page): string {
  reply.headers(headers);
  return html;
}
