import jsQR from 'jsqr';
import { PNG } from 'pngjs';
import { provisioningUri } from './totp';
import { totpPicture } from './totp-picture';

const decode = (uri: string): PNG => {
  const [head, data] = uri.split(',', 2);
  expect(head).toBe('data:image/png;base64');
  return PNG.sync.read(Buffer.from(data!, 'base64'));
};

describe('the picture of a provisioning URI', () => {
  const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

  it.each([
    ['a short address', 'a@b.de'],
    ['the longest address', `${'a'.repeat(64)}@${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(57)}.de`],
    ['the longest URI', `${'ऊ'.repeat(127)}@${'ऊ'.repeat(123)}.de`],
    ['an address that is not ASCII', 'श्री@उदाहरण.भारत'],
  ])('is read by a scanner: %s', (_what, account) => {
    const uri = provisioningUri(secret, { issuer: 'user_service', account });
    const { width, height, data } = decode(totpPicture(uri));
    expect(jsQR(new Uint8ClampedArray(data), width, height)?.data).toBe(uri);
  });

  it('is large enough, opaque, and has a white margin of four modules', () => {
    const picture = decode(
      totpPicture(provisioningUri(secret, { issuer: 'user_service', account: 'a@b.de' })),
    );
    expect(picture.width).toBe(picture.height);
    expect(picture.width).toBeGreaterThanOrEqual(250);
    const pixel = (x: number, y: number) => [
      ...picture.data.subarray((y * picture.width + x) * 4).subarray(0, 4),
    ];
    for (let i = 0; i < picture.width; i++) {
      for (const [x, y] of [
        [i, 0],
        [i, 23],
        [0, i],
        [23, i],
        [i, picture.height - 1],
        [picture.width - 24, i],
      ]) {
        expect(pixel(x!, y!)).toEqual([255, 255, 255, 255]);
      }
    }
    expect(pixel(24, 24)).toEqual([0, 0, 0, 255]);
  });
});
