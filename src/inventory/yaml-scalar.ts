const BOOLEAN = /^(?:(yes|Yes|YES|true|True|TRUE|on|On|ON)|no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const NULL = /^(?:~|null|Null|NULL|)$/;
const INTEGER = /^(?:[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+)$/;
const FLOAT = /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?)$/;
const SPECIAL_FLOAT = /^(?:([-+]?)\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
const SIXTIES = /^[-+]?(?:[1-9][0-9_]*(?::[0-5]?[0-9])+|[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*)$/;
const DAY = /^(\d{4})-(\d\d)-(\d\d)$/;
const TIME =
  /^(\d{4})-(\d\d?)-(\d\d?)(?:[Tt]|[ \t]+)(\d\d?):(\d\d):(\d\d)(?:\.(\d*))?(?:[ \t]*(?:(Z)|([-+])(\d\d?)(?::?(\d\d))?))?$/;

/** Thrown for what looks like a date and is none, and for signs that stand for something else; the message says so. */
export class BadScalar extends Error {}

/**
 * The value of a plain (unquoted) YAML scalar by the rules of YAML 1.1, which Ansible's parser follows: `yes` is true,
 * `0644` is octal, `1:30` is ninety, a date is what Ansible prints for it. Newer YAML differs in all of these.
 *
 * @throws {BadScalar}
 */
export function plainValue(text: string): unknown {
  if (text === '=' || text === '<<') throw new BadScalar(`${text} is a sign of its own in YAML 1.1`);
  // Most scalars are words, and no word of any other first letter is anything but itself.
  if (/^[^-+.\d~nNyYtTfFoO]/.test(text)) return text;
  if (NULL.test(text)) return null;
  const boolean = BOOLEAN.exec(text);
  if (boolean) return boolean[1] !== undefined;
  if (INTEGER.test(text)) return integer(text.replaceAll('_', ''));
  if (FLOAT.test(text)) return Number(text.replaceAll('_', ''));
  const special = SPECIAL_FLOAT.exec(text);
  if (special) return special[1] === undefined ? Number.NaN : special[1] === '-' ? -Infinity : Infinity;
  if (SIXTIES.test(text)) return sixties(text.replaceAll('_', ''));
  return dateText(text) ?? text;
}

function integer(text: string): number | bigint {
  const negative = text.startsWith('-');
  const digits = text.replace(/^[-+]/, '');
  const whole = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
  const value = negative ? -whole : whole;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function sixties(text: string): number {
  const size = text
    .replace(/^[-+]/, '')
    .split(':')
    .reduce((sum, part) => sum * 60 + Number(part), 0);
  return text.startsWith('-') ? -size : size;
}

/** Python's isoformat of a date or time, which is how `ansible-inventory` prints it. */
function dateText(text: string): string | undefined {
  const day = DAY.exec(text);
  if (day) {
    checkDate(text, day.slice(1, 4), ['0', '0', '0']);
    return text;
  }
  const time = TIME.exec(text);
  if (!time) return undefined;
  const [year, month, date, hour, minute, second, fraction = '', zulu, sign, zoneHour, zoneMinute = '00'] =
    time.slice(1);
  checkDate(text, [year!, month!, date!], [hour!, minute!, second!]);
  const two = (part: string | undefined) => part!.padStart(2, '0');
  const micro = fraction.slice(0, 6).padEnd(6, '0');
  const zone = zulu ? '+00:00' : sign ? `${sign}${two(zoneHour)}:${two(zoneMinute)}` : '';
  const clock = `${two(hour)}:${minute}:${second}${Number(micro) > 0 ? `.${micro}` : ''}`;
  return `${year}-${two(month)}-${two(date)}T${clock}${zone}`;
}

function checkDate(text: string, date: readonly string[], time: readonly string[]): void {
  const [year, month, day] = date.map(Number) as [number, number, number];
  const [hour, minute, second] = time.map(Number) as [number, number, number];
  const made = new Date(0);
  made.setUTCFullYear(year, month - 1, day);
  const exists = made.getUTCMonth() === month - 1 && made.getUTCDate() === day && year > 0;
  if (!exists || hour > 23 || minute > 59 || second > 59) throw new BadScalar(`${text} looks like a date and is none`);
}
