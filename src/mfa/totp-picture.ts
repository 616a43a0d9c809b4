import { generate } from 'lean-qr';
import { toPngBuffer } from 'lean-qr/extras/node_export';

/** The blank margin that readers need (ISO/IEC 18004 section 9.1), in modules. */
const QUIET_ZONE = 4;
/** Pixels a module: about 300 in all, which a phone reads from a screen. */
const SCALE = 6;

/** A text as a QR code: a PNG picture in a data URI. */
export function totpPicture(uri: string): string {
  // As much error correction as its size has room for; the longest address needs the largest size without.
  const code = generate(uri);
  // White behind it: a transparent picture can't be read from a dark page.
  const png = toPngBuffer(code, {
    pad: QUIET_ZONE,
    scale: SCALE,
    on: [0, 0, 0, 255],
    off: [255, 255, 255, 255],
  });
  return `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
}
