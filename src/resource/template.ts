import { checkedOptions, kind, list, needed, type Options, text } from '../options.ts';
import { revealed, Secret } from '../secret.ts';
import { renderTemplate } from '../template/template.ts';
import { type FileWish, file, PLACED } from './file.ts';
import type { Resource } from './resource.ts';

export interface TemplateWish extends Omit<FileWish, 'content'> {
  /** Name of the Handlebars template, such as `nginx.conf.hbs`. */
  template: string;
  /** Folders on the control machine where it is looked up, first come first served: `run.templateDirs`. */
  dirs: readonly string[];
  /** Names for the template: an object, or the variables of a host as a task gets them. */
  vars: object | ReadonlyMap<string, { value: unknown }>;
}

const OPTIONS: Options<TemplateWish> = {
  template: needed(text),
  dirs: needed(list(text, 'texts')),
  vars: needed(kind('an object', (value) => typeof value === 'object' && value !== null)),
  ...PLACED,
};

/**
 * A text file made from a template. A secret among the variables is put in as itself, and makes the file a secret one.
 * @throws InputError if there is no such template, it cannot be parsed, or it names what is not set.
 */
export function template(given: TemplateWish): Resource {
  const { template: name, dirs, vars, secret, ...wish } = checkedOptions('template', given, OPTIONS);
  const secrets: string[] = [];
  const named = vars instanceof Map ? Object.fromEntries([...vars].map(([key, { value }]) => [key, value])) : vars;
  const content = renderTemplate(name, open(named, secrets) as object, dirs);
  const holdsSecret = secrets.some((one) => one !== '' && content.includes(one));
  return { ...file({ ...wish, content, secret: secret ?? holdsSecret }), kind: 'template' };
}

/** The same value with every secret in it revealed and noted. */
function open(value: unknown, secrets: string[]): unknown {
  if (value instanceof Secret) {
    secrets.push(value.reveal());
    return revealed(value);
  }
  if (Array.isArray(value)) return value.map((one) => open(one, secrets));
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, open(one, secrets)]));
}
