import type { Alias, Document, LineCounter, Node, Pair, Scalar } from 'yaml';
import { InputError } from '../errors.ts';
import { Secret } from '../secret.ts';
import type { Warning } from './inventory.ts';
import { namesSecret } from './value.ts';
import { isVault, openVault, SealedValue, type VaultPasswords, VaultValue } from './vault.ts';
import { BadScalar, plainValue } from './yaml-scalar.ts';

/** A part of a YAML or JSON file, with its place. */
export type Data = { line: number /** As written. */; raw: string } & (
  | { kind: 'map'; entries: Entry[] }
  | { kind: 'list'; items: Data[] }
  | { kind: 'scalar'; value: unknown }
);

export interface Entry {
  /** Keys that are no text are spelled as JSON spells them. */
  name: string;
  isText: boolean;
  line: number;
  data: Data;
}

export interface DataFile {
  /** undefined for an empty file. */
  data: Data | undefined;
  warnings: Warning[];
}

export interface DataOptions {
  passwords: VaultPasswords;
  /** Leaves `!vault` values closed where no password is given. */
  keepSealed?: boolean;
}

/** Aliases of aliases can make a small file into more data than there is memory. */
const MAX_PARTS = 1_000_000;
/** Maps and lists within each other. The parser's own limit is near a thousand, and not always the same. */
const MAX_DEPTH = 200;

interface Reading {
  file: string;
  text: string;
  /** The whole file was a vault: then each text and number in it is a secret. */
  secret: boolean;
  json: boolean;
  lines: LineCounter;
  /** What each alias stands for. */
  targets: Map<Alias, Node>;
  known: Map<Node, Data>;
  sizes: Map<Data, number>;
  vaults: Map<Scalar, Secret>;
  warnings: Warning[];
  yaml: typeof import('yaml');
}

/**
 * Reads YAML or JSON with Ansible's typing (YAML 1.1), its tags `!vault` and `!unsafe`, and files that are vaults as a
 * whole. The parser is loaded with the first such file, so that inventories without them do not wait for it.
 *
 * @throws {InputError} with file and line
 */
export async function readData(content: string, file: string, options: DataOptions): Promise<DataFile> {
  try {
    return await read(content, file, options);
  } catch (error) {
    // Each level is a call within a call.
    if (error instanceof RangeError) throw tooDeep(file, 1);
    throw error;
  }
}

async function read(content: string, file: string, options: DataOptions): Promise<DataFile> {
  const secret = isVault(content);
  const text = secret
    ? (await openVault(content, options.passwords, { file, line: 1 })).toString('utf8')
    : content.replace(/^\ufeff/, '');
  const yaml = await import('yaml');
  const lines = new yaml.LineCounter();
  const json = isJson(text);
  // Scalars stay text: the types that Ansible's parser gives them are those of plainValue.
  const document = yaml.parseDocument(text, {
    version: '1.1',
    schema: 'failsafe',
    uniqueKeys: false,
    prettyErrors: false,
    // Not 'silent': then a second document would be passed over without a word.
    logLevel: 'error',
    lineCounter: lines,
  });
  const [error] = document.errors;
  if (error) {
    const line = lines.linePos(error.pos[0]).line;
    const what = json ? 'JSON' : 'YAML';
    if (/call stack/.test(error.message)) throw tooDeep(file, line);
    const reason = secret || isClosed(text, line) ? '' : `: ${error.message}`;
    throw new InputError(`The file is not valid ${what}${reason}`, { file, line, next: yamlHint(text, line) });
  }
  const reading: Reading = {
    file,
    text,
    secret,
    json,
    lines,
    targets: targetsOf(document, yaml),
    known: new Map(),
    sizes: new Map(),
    vaults: await openAll(document, lines, file, options, yaml),
    warnings: [],
    yaml,
  };
  const root = document.contents;
  const data = root === null ? undefined : convert(reading, root, new Set());
  const empty = data?.kind === 'scalar' && data.value === null;
  return { data: empty ? undefined : data, warnings: reading.warnings };
}

/** The plain value of a part: null, text, number, boolean, {@link Secret}, array or object of them. */
export function plain(data: Data): unknown {
  if (data.kind === 'scalar') return data.value;
  if (data.kind === 'list') return data.items.map(plain);
  // fromEntries defines own properties: a key named `__proto__` stays data.
  return Object.fromEntries(data.entries.map(({ name, data: value }) => [name, plain(value)]));
}

function isJson(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function yamlHint(text: string, line: number): string {
  const shown = text.split('\n')[line - 1] ?? '';
  if (shown.includes('\t')) return 'Indent with spaces: YAML takes no tabs';
  if (/:\s*[{%@`]/.test(shown))
    return 'Put the value in quotes: it begins with a character that means something to YAML';
  return 'Correct the line or the one before it: indentation, quotes, a missing colon';
}

/** Whether a line, or the one that it may go on from, speaks of something that no message may show. */
function isClosed(text: string, line: number): boolean {
  return text
    .split('\n')
    .slice(Math.max(0, line - 2), line)
    .some(namesSecret);
}

function tooDeep(file: string, line: number): InputError {
  return new InputError('The values lie too deep within each other', { file, line, next: 'Nest them less deeply' });
}

/** Of several anchors of one name the last before an alias is meant. One walk finds all: a walk for each takes too long. */
function targetsOf(document: Document, yaml: typeof import('yaml')): Map<Alias, Node> {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  yaml.visit(document, {
    Alias: (_, alias) => {
      const target = anchors.get(alias.source);
      if (target) targets.set(alias, target);
    },
    Value: (_, node) => {
      if (node.anchor !== undefined) anchors.set(node.anchor, node);
    },
  });
  return targets;
}

async function openAll(
  document: Document,
  lines: LineCounter,
  file: string,
  { passwords, keepSealed }: DataOptions,
  yaml: typeof import('yaml'),
): Promise<Map<Scalar, Secret>> {
  const found: Scalar[] = [];
  yaml.visit(document, {
    Scalar: (_, node) => {
      if (node.tag === '!vault' || node.tag === '!vault-encrypted') found.push(node);
    },
  });
  const opened = found.map(async (node) => {
    const cipherText = String(node.value);
    const place = { file, line: lines.linePos(node.range?.[0] ?? 0).line };
    if (!isVault(cipherText)) {
      const next = 'After !vault | the lines that ansible-vault encrypt_string prints must follow, indented';
      throw new InputError('The value after !vault is no vault', { ...place, next });
    }
    if (keepSealed && passwords.length === 0) return [node, new SealedValue(cipherText, place)] as const;
    const bytes = await openVault(cipherText, passwords, place);
    return [node, new VaultValue(bytes.toString('utf8'), cipherText)] as const;
  });
  return new Map(await Promise.all(opened));
}

function convert(reading: Reading, node: Node | null, above: ReadonlySet<Node>): Data {
  const { yaml, known, sizes } = reading;
  if (node === null) return { kind: 'scalar', line: 1, raw: '', value: null };
  if (yaml.isAlias(node)) {
    const target = reading.targets.get(node);
    const name = shown(reading, node, ` &${node.source}`);
    if (!target) throw refuse(reading, node, `There is no anchor${name} for the alias`, 'Write the anchor before it');
    return convert(reading, target, above);
  }
  const done = known.get(node);
  if (done) return done;
  if (above.has(node)) throw refuse(reading, node, 'The value contains itself', 'Take the alias out of its own anchor');
  if (above.size >= MAX_DEPTH) throw tooDeep(reading.file, lineOf(reading, node));
  const within = new Set([...above, node]);
  const place = { line: lineOf(reading, node), raw: rawOf(reading, node) };
  let data: Data;
  let size = 1;
  if (yaml.isMap(node)) {
    checkTag(reading, node, ['map']);
    data = { ...place, kind: 'map', entries: entriesOf(reading, node.items as Pair<Node, Node | null>[], within) };
    for (const entry of data.entries) size += sizes.get(entry.data) ?? 1;
  } else if (yaml.isSeq(node)) {
    checkTag(reading, node, ['seq']);
    data = {
      ...place,
      kind: 'list',
      items: (node.items as (Node | null)[]).map((item) => convert(reading, item, within)),
    };
    for (const item of data.items) size += sizes.get(item) ?? 1;
  } else {
    const value = scalarOf(reading, node as Scalar);
    data = { ...place, raw: value instanceof Secret ? '***' : place.raw, kind: 'scalar', value };
  }
  if (size > MAX_PARTS) throw refuse(reading, node, 'The aliases stand for too much', 'Write the values out');
  known.set(node, data);
  sizes.set(data, size);
  return data;
}

function entriesOf(reading: Reading, pairs: readonly Pair<Node, Node | null>[], above: ReadonlySet<Node>): Entry[] {
  const entries = new Map<string, Entry>();
  const isMerge = ({ key }: Pair<Node, Node | null>) =>
    !reading.json && reading.yaml.isScalar(key) && key.type === 'PLAIN' && key.value === '<<' && !key.tag;
  // What is merged in comes first, so that the map's own keys stand above it.
  for (const pair of pairs.filter(isMerge)) {
    const from = convert(reading, pair.value, above);
    // Of several maps the first stands above the others.
    const maps = from.kind === 'list' ? from.items.toReversed() : [from];
    for (const map of maps) {
      const next = 'After <<: an alias of a map, or a list of such aliases, must follow';
      if (map.kind !== 'map') throw refuse(reading, pair.key, 'What << merges in is not a map', next);
      for (const entry of map.entries) entries.set(entry.name, entry);
    }
  }
  const own = new Set<string>();
  for (const pair of pairs) {
    if (isMerge(pair)) continue;
    const key = convert(reading, pair.key, above);
    if (key.kind !== 'scalar' || key.value instanceof Secret) {
      const next = 'Put the value in quotes if it begins with {{, as a template does';
      if (key.kind !== 'scalar' || !reading.secret) throw refuse(reading, pair.key, 'A key must be a word', next);
    }
    const value = key.value instanceof Secret ? key.value.reveal() : key.value;
    const name = keyText(value, key.raw);
    if (own.has(name)) {
      const message = `'${name}' stands twice in the same map; only the last one counts`;
      reading.warnings.push({ message, file: reading.file, line: key.line });
    }
    own.add(name);
    const data =
      pair.value === null
        ? { kind: 'scalar' as const, line: key.line, raw: '', value: null }
        : convert(reading, pair.value, above);
    entries.set(name, { name, isText: typeof value === 'string', line: key.line, data });
  }
  return [...entries.values()];
}

function keyText(value: unknown, raw: string): string {
  return typeof value === 'number' && Number.isInteger(value) && raw.includes('.') ? `${value}.0` : String(value);
}

function scalarOf(reading: Reading, node: Scalar): unknown {
  const vault = reading.vaults.get(node);
  if (vault) return vault;
  const value = typedScalar(reading, node);
  // true, false and null tell nothing; all else of a vault may be what it was locked up for.
  if (reading.secret && value !== null && typeof value !== 'boolean') return new Secret(String(value));
  return value;
}

function typedScalar(reading: Reading, node: Scalar): unknown {
  const text = String(node.value ?? '');
  if (reading.json) {
    if (node.type !== 'PLAIN') return text;
    const value: unknown = JSON.parse(text);
    return typeof value === 'number' && /^-?\d+$/.test(text) && !Number.isSafeInteger(value) ? BigInt(text) : value;
  }
  try {
    switch (shortTag(node)) {
      case undefined:
        return node.type === 'PLAIN' ? plainValue(text) : text;
      case '!':
      case '!unsafe':
      case 'str':
        return text;
      case 'int':
      case 'float':
      case 'bool':
      case 'null':
        return plainValue(text);
      case 'binary':
        return Buffer.from(text, 'base64').toString('utf8');
    }
  } catch (error) {
    if (!(error instanceof BadScalar)) throw error;
    throw refuse(reading, node, shown(reading, node, error.message) || 'The value is no date', 'Put it in quotes');
  }
  throw refuse(
    reading,
    node,
    `The tag${shown(reading, node, ` ${node.tag}`)} is not known`,
    'Known are !vault and !unsafe; a text that begins with ! is put in quotes',
  );
}

function shortTag(node: { tag?: string | undefined }): string | undefined {
  return node.tag?.replace(/^tag:yaml\.org,2002:/, '');
}

function checkTag(reading: Reading, node: Node, known: readonly string[]): void {
  const tag = shortTag(node as { tag?: string });
  if (tag === undefined || tag === '!unsafe' || known.includes(tag)) return;
  throw refuse(
    reading,
    node,
    `The tag${shown(reading, node, ` ${tag}`)} is not known here`,
    'Known are !vault and !unsafe',
  );
}

function lineOf({ lines }: Reading, node: Node): number {
  return Math.max(1, lines.linePos(node.range?.[0] ?? 0).line);
}

function rawOf({ text, secret }: Reading, { range }: Node): string {
  return secret || !range ? '***' : text.slice(range[0], range[1]).trim();
}

/** Words of the file for a message; none where they may be a password that was not put in quotes. */
function shown(reading: Reading, node: Node, words: string): string {
  return isClosed(reading.text, lineOf(reading, node)) ? '' : words;
}

function refuse(reading: Reading, node: Node, message: string, next: string): InputError {
  return new InputError(message, { file: reading.file, line: lineOf(reading, node), next });
}
