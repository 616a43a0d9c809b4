import { KiteSandbox, startKiteSandbox } from '../../src/embedded/kite-sandbox/kite-sandbox';
import { startService, TestService } from './app';
import { SignedIn } from './people';

/** The service, with the sandbox in Kite's place; `service.stop()` stops both. */
export interface KiteWorld {
  service: TestService;
  kite: KiteSandbox;
}

/** An account as its owner has linked it. */
export interface LinkedAccount {
  accountId: string;
  app: ReturnType<KiteSandbox['newApp']>;
  /** Of the session at Kite. */
  accessToken: string;
  /** As Kite names its user. */
  brokerUserId: string;
}

/** Kite gets two seconds for an answer unless told otherwise: tests have it be silent. */
export async function startServiceWithKite(overrides: Record<string, string> = {}): Promise<KiteWorld> {
  const kite = await startKiteSandbox();
  const service = await startService({
    KITE_API_BASE_URL: kite.url,
    KITE_LOGIN_URL: kite.loginUrl,
    KITE_API_TIMEOUT_SECONDS: '2',
    ...overrides,
  });
  return {
    kite,
    service: {
      ...service,
      stop: async () => {
        await service.stop();
        await kite.stop();
      },
    },
  };
}

let users = 0;

/** A Kite user nobody has seen before. */
export const newKiteUser = (): string => `AB${String(++users).padStart(4, '0')}`;

/** Links an account with a login at Kite. */
export async function linkAccount(
  service: TestService,
  kite: KiteSandbox,
  person: SignedIn,
  { userId = newKiteUser() }: { userId?: string } = {},
): Promise<LinkedAccount> {
  const app = kite.newApp();
  const { body } = await service
    .client()
    .post(
      '/v1/trading-accounts/link',
      {
        broker: 'kite',
        api_key: app.apiKey,
        api_secret: app.apiSecret,
        request_token: kite.login(app.apiKey, userId),
      },
      person.accessToken,
    )
    .expect(201);
  const session = kite.sessions().find(({ apiKey, alive }) => apiKey === app.apiKey && alive);
  return {
    accountId: body.trading_account_id,
    app,
    accessToken: session!.accessToken,
    brokerUserId: userId,
  };
}
