interface Form {
  canary: string;
  form: string;
  text: string;
  /** Whether letter case is of no matter, as in hexadecimal. */
  anyCase: boolean;
}

type Forms = Record<string, [text: string, anyCase: boolean]>;

const PIECE_BYTES = 32;
/** Of a longer key. */
const PIECES = 3;

/** Secrets that must not be found where they are not meant to be, in any form in which one could have been written. */
export class Canaries {
  private readonly forms: Form[] = [];
  private readonly known = new Set<string>();

  /** @returns the value. */
  add(canary: string, value: string): string {
    if (value.length < 8) throw new Error(`${canary} is too short to be told from other text`);
    this.learn(canary, value, { ...formsOfText(value), ...formsOfBytes(Buffer.from(value)) });
    return value;
  }

  /** A key. A long one by pieces of its beginning, which a line that ends somewhere does not tear all. */
  addBytes(canary: string, bytes: Buffer): void {
    if (bytes.length < PIECE_BYTES) throw new Error(`${canary} is too short to be told from other bytes`);
    const pieces = Math.min(Math.floor(bytes.length / PIECE_BYTES), PIECES);
    for (let i = 0; i < pieces; i++) {
      const piece = bytes.subarray(i * PIECE_BYTES, (i + 1) * PIECE_BYTES);
      this.learn(canary, piece.toString('hex'), formsOfBytes(piece));
    }
  }

  get count(): number {
    return this.known.size;
  }

  /** What is found in a text: `<canary> as <form> in <place>`. @param but those that may be there. */
  findIn(place: string, text: string, but: readonly string[] = []): string[] {
    const lower = text.toLowerCase();
    const found = this.forms.filter(
      ({ canary, text: form, anyCase }) => !but.includes(canary) && (anyCase ? lower : text).includes(form),
    );
    return found.map(({ canary, form }) => `${canary} as ${form} in ${place}`);
  }

  private learn(canary: string, value: string, forms: Forms): void {
    if (this.known.has(value)) return;
    this.known.add(value);
    for (const [form, [text, anyCase]] of Object.entries(forms))
      this.forms.push({ canary, form, text, anyCase });
  }
}

function formsOfText(value: string): Forms {
  return {
    'plain text': [value, false],
    'URL-encoded': [encodeURIComponent(value).toLowerCase(), true],
    'a form field': [new URLSearchParams({ a: value }).toString().slice(2).toLowerCase(), true],
    'JSON text': [JSON.stringify(value).slice(1, -1), false],
  };
}

function formsOfBytes(bytes: Buffer): Forms {
  const hex = bytes.toString('hex');
  const forms: Forms = {
    bytes: [bytes.toString('latin1'), false],
    hexadecimal: [hex, true],
    // As `util.inspect` and `JSON.stringify` show a Buffer.
    'an inspected Buffer': [hex.replace(/(?!^)(?=(..)+$)/g, ' '), true],
    'a JSON Buffer': [[...bytes].join(','), false],
  };
  for (const offset of [0, 1, 2]) {
    const base64 = base64At(bytes, offset);
    forms[`base64 at ${offset}`] = [base64, false];
    forms[`base64url at ${offset}`] = [base64.replaceAll('+', '-').replaceAll('/', '_'), false];
  }
  return forms;
}

/** Those characters that it always has in the middle of other bytes, so many after a multiple of three. */
function base64At(value: Buffer, offset: number): string {
  const bytes = Buffer.concat([Buffer.alloc(offset), value]);
  const text = bytes.toString('base64').replace(/=+$/, '');
  return text.slice(offset === 0 ? 0 : offset + 1, bytes.length % 3 === 0 ? undefined : -1);
}
