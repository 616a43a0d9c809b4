import { layoutMail } from './mail-layout';

const content = {
  heading: 'Hello <b>Ann</b> & "Bob"',
  paragraphs: ['First <script>alert(1)</script>', 'Second\nline'],
  action: { label: 'Confirm >', url: 'https://id.example.com/verify-email?token=a&b="c"' },
  note: "If it wasn't you, ignore this.",
  lang: 'en',
};

describe('layoutMail', () => {
  it('writes the same words as plain text', () => {
    expect(layoutMail(content).text).toBe(
      [
        'Hello <b>Ann</b> & "Bob"',
        'First <script>alert(1)</script>',
        'Second\nline',
        'Confirm >:\nhttps://id.example.com/verify-email?token=a&b="c"',
        "If it wasn't you, ignore this.\n",
      ].join('\n\n'),
    );
  });

  it('escapes every text in the HTML', () => {
    const { html } = layoutMail({ ...content, lang: '"><script>' });
    expect(html).not.toContain('<script');
    expect(html).toContain('Hello &lt;b&gt;Ann&lt;/b&gt; &amp; &quot;Bob&quot;');
    expect(html).toContain('Second<br>line');
    expect(html).toContain('href="https://id.example.com/verify-email?token=a&amp;b=&quot;c&quot;"');
    expect(html).toContain('lang="&quot;&gt;&lt;script&gt;"');
  });

  it('loads nothing from anywhere', () => {
    expect(layoutMail(content).html).not.toMatch(/<(img|link|iframe|object|form)|url\(|@import|\bsrc=/i);
  });

  it('does without an action and a note', () => {
    const { text, html } = layoutMail({ heading: 'Hi', paragraphs: ['There.'], lang: 'de' });
    expect(text).toBe('Hi\n\nThere.\n');
    expect(html).toContain('<html lang="de"');
    expect(html).not.toContain('<a ');
  });

  it('refuses a link that is not http or https', () => {
    const action = { label: 'Go', url: 'javascript:alert(1)' };
    expect(() => layoutMail({ ...content, action })).toThrow('http');
  });
});
