import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/resource/file.ts';
import { pending } from '../../../src/resource/pending.ts';
import { enabled, unit } from '../../../src/resource/service.ts';
import { found, state } from './on-this-machine.ts';

const path = '/etc/systemd/system/etcd.service';
const wished = unit({ name: 'etcd.service', content: '[Service]\n' });
const same = { [path]: sha256('[Service]\n') };

describe('the difference of a unit', () => {
  it('is nothing where systemd has read the file that is wanted', () => {
    expect(wished.compare(found({ [path]: state('file') }, same, 'no\n'))).toBeUndefined();
  });

  it('is the file where it differs, and systemd reads it in the same step', () => {
    const change = wished.compare(found({ [path]: state('file') }, {}, 'no\n'));
    expect(change?.summary).toBe('content');
    expect(change?.apply).toMatch(/\nsystemctl daemon-reload$/);
  });

  // A run that was interrupted between the two leaves a file that is right and a systemd that has not read it.
  it('is that systemd has not read the file, although the file is right', () => {
    const change = wished.compare(found({ [path]: state('file') }, same, 'yes\n'));
    expect(change).toEqual({ summary: 'not yet read by systemd', apply: 'systemctl daemon-reload' });
  });

  it('keeps a copy of a unit that someone else wrote, where it is told how to know its own', () => {
    const careful = unit({ name: 'etcd.service', content: 'x', keepForeign: 'by us' });
    expect(careful.compare(found({ [path]: state('file') }, {}, 'no'))?.apply).toContain('.before-etcd-play');
    expect(wished.compare(found({ [path]: state('file') }, {}, 'no'))?.apply).not.toContain('.before-etcd-play');
  });
});

describe('the difference of a unit that starts at boot', () => {
  it.each([
    ['enabled\n', undefined],
    ['static\n', undefined],
    ['alias\n', undefined],
    ['disabled\n', 'starts at boot'],
    ['enabled-runtime\n', 'starts at boot'],
    ['linked\n', 'starts at boot'],
    ['masked\n', 'starts at boot'],
    ['', 'starts at boot'],
  ])('for the word %j of systemd is %s', (word, summary) => {
    expect(enabled('etcd.service').compare(found({}, {}, word))?.summary).toBe(summary);
  });
});

describe('something that is not at hand yet', () => {
  it('is always due, and fails where it is applied all the same', () => {
    const change = pending('archive', '/opt/x', 'is to be sent').compare(found({}));
    expect(change?.summary).toBe('is to be sent');
    expect(change?.apply).toMatch(/exit 1$/);
  });
});
