import { Controller, Get, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { HttpReply } from '../../../infra/http/http-request';
import { Public } from '../../../infra/http/public.decorator';
import { googleScript } from './google-script';
import { htmlPage } from './html-page';

/** Where Google sends the browser unless told otherwise, and where one can begin, until there is a web console. */
@Public()
@ApiExcludeController()
@Controller('v1/auth/oauth/google/callback')
export class GooglePageController {
  private readonly page = htmlPage({
    title: 'Sign in with Google',
    script: googleScript,
    body: `<form id="start" hidden>
<button type="submit">Sign in with Google</button>
</form>
<form id="second" hidden>
<label for="code">Code of your authenticator, or a backup code</label>
<input id="code" name="code" autocomplete="one-time-code" required>
<button type="submit">Sign in</button>
</form>`,
  });

  @Get()
  show(@Res({ passthrough: true }) reply: HttpReply): string {
    reply.headers(this.page.headers);
    return this.page.html;
  }
}
