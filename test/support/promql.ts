/** One metric as a PromQL expression asks for it. */
export interface Selector {
  name: string;
  matchers: { label: string; operator: string; value: string }[];
}

export interface Expression {
  selectors: Selector[];
  /** Labels in `by (…)` and `without (…)`. */
  grouping: string[];
}

const TOKEN =
  /\s+|"(?:[^"\\]|\\.)*"|\[[^\]]+\]|\d+(?:\.\d+)?(?:e[+-]?\d+)?|[a-zA-Z_:][\w:]*|=~|!~|!=|==|>=|<=|[-+*/%^(){},=<>]/gy;
const OPERATORS = new Set(['and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan']);
const FUNCTIONS = new Set([
  'sum',
  'max',
  'min',
  'avg',
  'count',
  'topk',
  'absent',
  'rate',
  'increase',
  'histogram_quantile',
  'time',
]);

/** Reads as much of PromQL as a dashboard needs. @throws Error at what it does not know, and where brackets do not fit. */
export function readExpression(text: string): Expression {
  const tokens = tokenise(text);
  const expression: Expression = { selectors: [], grouping: [] };
  const open: string[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]!;
    if (token === '(') open.push(')');
    else if (token === ')') {
      if (open.pop() !== token) throw new Error(`brackets of ${text}`);
    } else if (token === 'by' || token === 'without') {
      const end = tokens.indexOf(')', at);
      expression.grouping.push(...tokens.slice(at + 2, end).filter((label) => label !== ','));
      at = end;
    } else if (/^[a-zA-Z_:]/.test(token) && !OPERATORS.has(token)) {
      if (FUNCTIONS.has(token)) continue;
      const end = tokens[at + 1] === '{' ? tokens.indexOf('}', at) : at;
      expression.selectors.push({ name: token, matchers: readMatchers(tokens.slice(at + 2, end)) });
      at = end;
    }
  }
  if (open.length > 0) throw new Error(`brackets of ${text}`);
  return expression;
}

function tokenise(text: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const [token] = TOKEN.exec(text) ?? [];
    if (token === undefined) throw new Error(`not PromQL, at ${text.slice(at)}`);
    if (token.trim() !== '') tokens.push(token);
  }
  return tokens;
}

/** `label = "value" , …` */
function readMatchers(tokens: string[]): Selector['matchers'] {
  const matchers: Selector['matchers'] = [];
  for (let at = 0; at < tokens.length; at += 4) {
    const [label, operator, value, comma] = tokens.slice(at, at + 4);
    const isWhole = value?.startsWith('"') && (comma === undefined || comma === ',');
    if (!isWhole || !/^(=|!=|=~|!~)$/.test(operator ?? '')) throw new Error(`matchers ${tokens.join(' ')}`);
    matchers.push({ label: label!, operator: operator!, value: JSON.parse(value!) as string });
  }
  return matchers;
}
