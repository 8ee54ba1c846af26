import { describe, expect, it } from 'vitest';
import { wantsJson } from '../../../src/cli/failure.ts';
import { theRun } from '../../../src/cli/runs.ts';
import { InputError, ManyErrors } from '../../../src/errors.ts';
import type { RunRecord } from '../../../src/screen/audit.ts';
import { errorLine } from '../../../src/screen/json.ts';
import { Secret } from '../../../src/secret.ts';

describe('whether JSON is asked for', () => {
  it.each<[string, boolean]>([
    ['create_etcd --output json', true],
    ['create_etcd --output=json --nonsense', true],
    ['create_etcd --output json --output lines', false],
    ['create_etcd', false],
    ['exec all -- tool --output json', false],
    ['create_etcd --output', false],
  ])('by %s', (line, wanted) => {
    expect(wantsJson(line.split(' '))).toBe(wanted);
  });

  it('is what play.cfg says where the command line does not', () => {
    expect(wantsJson(['create_etcd'], true)).toBe(true);
    expect(wantsJson(['--output', 'lines'], true)).toBe(false);
  });
});

describe('an error before the run, as an event', () => {
  const now = new Date(0);
  const parsed = (error: InputError | ManyErrors) => JSON.parse(errorLine(error, now)) as unknown;

  it('has all that is known of it', () => {
    const error = new InputError('no such port', { file: 'hosts.ini', line: 3, next: 'Give a number.' });
    expect(parsed(error)).toEqual({
      time: '1970-01-01T00:00:00.000Z',
      type: 'error',
      error: {
        ...{ name: 'InputError', message: 'no such port', file: 'hosts.ini', line: 3 },
        ...{ next: 'Give a number.', exitCode: 1 },
      },
    });
  });

  it('has those that it is made of, and no secret', () => {
    const password = new Secret('hunter2hunter2');
    const error = new ManyErrors('two', [new InputError('one'), new InputError(`x ${password.reveal()}`)]);
    expect(parsed(error)).toMatchObject({ error: { errors: [{ message: 'one' }, { message: 'x ***' }] } });
  });
});

describe('a run on record', () => {
  const runs = ['20261121T10-1', '20261121T10-12', '20261122T09-7'].map((id) => ({ id }) as RunRecord);

  it.each([
    ['20261122', '20261122T09-7'],
    ['20261121T10-12', '20261121T10-12'],
    ['20261121T10-1', '20261121T10-1'],
  ])('is found by %s', (id, found) => {
    expect(theRun(runs, id).id).toBe(found);
  });

  it.each([
    ['2026', '3 runs begin with 2026'],
    ['2025', 'there is no run 2025 on record'],
    [undefined, 'no run was named'],
  ])('is not found by %s', (id, message) => {
    expect(() => theRun(runs, id)).toThrow(message);
  });
});
