import crypto from 'node:crypto';
import { open, seal } from './envelope';
import { IntegrityError } from './integrity-error';

const KEY = Buffer.alloc(32, 7);
const SECRET = Buffer.from('a private key');

describe('an envelope', () => {
  it('leaves what it decrypted in no other memory than its caller gets, opened or refused', () => {
    const decrypted: Buffer[] = [];
    const make = crypto.createDecipheriv;
    jest.spyOn(crypto, 'createDecipheriv').mockImplementation((...input) => {
      const decipher = make(...input);
      const update = decipher.update.bind(decipher);
      jest.spyOn(decipher, 'update').mockImplementation((data) => {
        const plain: Buffer = update(data as never);
        expect(plain).toEqual(SECRET);
        decrypted.push(plain);
        return plain as never;
      });
      return decipher;
    });
    const sealed = seal(KEY, SECRET, 'here');
    const opened = open(KEY, sealed, 'here');
    expect(() => open(KEY, sealed, 'there')).toThrow(IntegrityError);
    jest.restoreAllMocks();
    expect(opened).toEqual(SECRET);
    expect(decrypted).toEqual([Buffer.alloc(SECRET.length), Buffer.alloc(SECRET.length)]);
  });
});
