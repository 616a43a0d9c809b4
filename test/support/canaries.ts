interface Form {
  canary: string;
  form: string;
  text: string;
  /** Whether letter case is of no matter, as in hexadecimal. */
  anyCase: boolean;
}

/** Secrets that must not be found where they are not meant to be, in any form in which one could have been written. */
export class Canaries {
  private readonly forms: Form[] = [];
  private readonly known = new Set<string>();

  /** @returns the value. */
  add(canary: string, value: string): string {
    if (value.length < 8) throw new Error(`${canary} is too short to be told from other text`);
    if (!this.known.has(value)) this.forms.push(...formsOf(canary, value));
    this.known.add(value);
    return value;
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
}

function formsOf(canary: string, value: string): Form[] {
  const forms: Record<string, [text: string, anyCase: boolean]> = {
    'plain text': [value, false],
    'URL-encoded': [encodeURIComponent(value).toLowerCase(), true],
    'a form field': [new URLSearchParams({ a: value }).toString().slice(2).toLowerCase(), true],
    'JSON text': [JSON.stringify(value).slice(1, -1), false],
    hexadecimal: [Buffer.from(value).toString('hex'), true],
  };
  for (const offset of [0, 1, 2]) {
    const base64 = base64At(value, offset);
    forms[`base64 at ${offset}`] = [base64, false];
    forms[`base64url at ${offset}`] = [base64.replaceAll('+', '-').replaceAll('/', '_'), false];
  }
  return Object.entries(forms).map(([form, [text, anyCase]]) => ({ canary, form, text, anyCase }));
}

/** Those characters that it always has in the middle of other bytes, so many after a multiple of three. */
function base64At(value: string, offset: number): string {
  const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(value)]);
  const text = bytes.toString('base64').replace(/=+$/, '');
  return text.slice(offset === 0 ? 0 : offset + 1, bytes.length % 3 === 0 ? undefined : -1);
}
