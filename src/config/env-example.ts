import { variables } from './variables';

/** The text of `.env.example`: every variable with its help and default. */
export function envExample(): string {
  const lines = [
    '# Settings of User Service. Copy to .env and change what you need: nothing is needed for development.',
    '# Written by `npm run docs`; a test keeps it equal to src/config/variables.ts.',
  ];
  let group = '';
  for (const [name, variable] of Object.entries(variables)) {
    if (variable.group !== group) lines.push('', `## ${variable.group}`);
    group = variable.group;
    lines.push(`# ${variable.help}`, `${name}=${variable.example}`);
  }
  return lines.join('\n') + '\n';
}
