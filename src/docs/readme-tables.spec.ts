import '../app.module';
import { fillReadme } from './readme-tables';

const EMPTY = `# User Service

<!-- error-codes -->
<!-- /error-codes -->

between

<!-- configuration -->
what was there
<!-- /configuration -->

end
`;

describe('fillReadme', () => {
  const filled = fillReadme(EMPTY);

  it('puts the tables between their markers, and leaves the rest', () => {
    expect(filled).toMatch(/^# User Service\n\n<!-- error-codes -->\n\n\| code +\| status \| meaning +\|\n/);
    expect(filled).toMatch(
      /^\| `invalid_credentials` +\| 401 +\| The e-mail address or the password is wrong\. +\|$/m,
    );
    expect(filled).toMatch(/\n\nbetween\n\n<!-- configuration -->\n\n\| variable/);
    expect(filled).toMatch(/^\| `PORT` +\| `8001` +\| Port the HTTP door listens on\. +\|$/m);
    expect(filled).not.toContain('what was there');
    expect(filled).toMatch(/\|\n\n<!-- \/configuration -->\n\nend\n$/);
  });

  it('changes nothing the second time', () => {
    expect(fillReadme(filled)).toBe(filled);
  });

  it('says which marker is missing', () => {
    expect(() => fillReadme('# User Service\n')).toThrow('README.md has no place for error-codes');
  });
});
