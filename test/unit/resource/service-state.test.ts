import { describe, expect, it } from 'vitest';
import {
  diffService,
  parseService,
  type ServiceState,
  type ServiceWish,
  service,
  unitName,
} from '../../../src/resource/service-state.ts';
import { found } from './on-this-machine.ts';

const runs: ServiceState = { load: 'loaded', active: 'active', file: 'enabled' };
const rests: ServiceState = { load: 'loaded', active: 'inactive', file: 'disabled' };
const missing: ServiceState = { load: 'not-found', active: 'inactive', file: '' };
const masked: ServiceState = { load: 'masked', active: 'inactive', file: 'masked' };
const verbs = (apply = '') =>
  apply.replaceAll('systemctl ', '').replaceAll(' -- web.service', '').replaceAll(' --quiet', '');

describe('the difference of a service', () => {
  it.each<[ServiceState, Omit<ServiceWish, 'name'>, string | undefined, string]>([
    [runs, { state: 'started', enabled: true }, undefined, ''],
    [rests, { state: 'stopped', enabled: false }, undefined, ''],
    [rests, {}, undefined, ''],
    [rests, { state: 'started', enabled: true }, 'starts at boot, started', 'enable\nstart'],
    [runs, { state: 'stopped', enabled: false }, 'does not start at boot, stopped', 'disable\nstop'],
    [runs, { state: 'restarted' }, 'restarted', 'restart'],
    [rests, { state: 'reloaded' }, 'reloaded', 'reload-or-restart'],
    [{ ...runs, active: 'failed' }, { state: 'started' }, 'started again: it had failed', 'start'],
    [{ ...runs, active: 'failed' }, { state: 'stopped' }, undefined, ''],
    [{ ...runs, active: 'activating' }, { state: 'started' }, 'started', 'start'],
    [{ ...runs, active: 'deactivating' }, { state: 'stopped' }, 'stopped', 'stop'],
    // One that crashes is this between its starts.
    [{ ...runs, active: 'activating' }, { state: 'stopped' }, 'stopped', 'stop'],
    [{ ...runs, active: 'maintenance' }, { state: 'stopped' }, 'stopped', 'stop'],
    [{ ...rests, file: 'indirect' }, { enabled: true }, undefined, ''],
    [{ ...runs, file: 'disabled' }, { enabled: false }, undefined, ''],
    [{ ...runs, active: 'reloading' }, { state: 'started' }, undefined, ''],
    [{ ...runs, file: 'static' }, { enabled: true }, undefined, ''],
    [{ ...runs, file: 'enabled-runtime' }, { enabled: true }, 'starts at boot', 'enable'],
    [masked, { state: 'started' }, 'unmasked, started', 'unmask\nstart'],
    [masked, { state: 'stopped' }, undefined, ''],
    [masked, { masked: false }, 'unmasked', 'unmask'],
    [runs, { state: 'stopped', masked: true }, 'stopped, masked', 'stop\nmask'],
    [masked, { masked: true }, undefined, ''],
    [missing, { state: 'stopped', enabled: false }, undefined, ''],
    [missing, { masked: true }, 'masked', 'mask'],
  ])('where one finds %j and wants %j is %j', (actual, wish, summary, lines) => {
    const change = diffService(actual, { name: 'web', ...wish });
    expect([change?.summary, verbs(change?.apply)]).toEqual([summary, lines]);
  });

  it('cannot be told where there is no such unit, or systemd does not answer', () => {
    expect(() => diffService(missing, { name: 'web', state: 'started' })).toThrow('the host has no unit web');
    expect(() => diffService(missing, { name: 'web', enabled: true })).toThrow('the host has no unit web');
    const silent = { ...found({}, {}, 'Failed to connect to bus'), code: 1 };
    expect(() => service({ name: 'web' }).compare(silent)).toThrow('systemd does not answer for web: Failed to');
  });

  it.each<[string, string]>([
    ['UnitFileState=enabled', 'enabled'],
    // A script of /etc/init.d: whether it starts at boot is only told by `is-enabled`.
    ['UnitFileState=generated\nenabled', 'enabled'],
    ['UnitFileState=generated\ndisabled', 'disabled'],
    ['UnitFileState=generated\ngenerated', 'generated'],
  ])('is told from what systemctl shows: %j', (text, file) => {
    expect(parseService(`LoadState=loaded\nActiveState=active\n${text}\n`)).toEqual({ ...runs, file });
  });

  it('is unknown in check mode where the unit may come with what is before it, and would be changed then', () => {
    const text = 'LoadState=not-found\nActiveState=inactive\nUnitFileState=\n';
    const inCheck = (wish: Omit<ServiceWish, 'name'>, pending: boolean) =>
      service({ name: 'web', ...wish }).compare({ ...found({}, {}, text), pending });
    expect(inCheck({ state: 'stopped', enabled: false }, true)).toMatchObject({ unknown: true });
    expect(inCheck({ enabled: false }, true)).toMatchObject({ unknown: true });
    expect(inCheck({ masked: true }, true)).toMatchObject({ summary: 'masked' });
    expect(inCheck({ state: 'stopped' }, false)).toBeUndefined();
    expect(inCheck({}, true)).toBeUndefined();
  });
});

describe('the name of a unit', () => {
  it.each([
    ['web', 'web.service'],
    ['web.timer', 'web.timer'],
    ['web@1', 'web@1.service'],
    ['my.app', 'my.app.service'],
  ])('%s is %s', (given, meant) => {
    expect(unitName(given)).toBe(meant);
  });

  it.each(['', '-x', 'a b', 'web*', 'a/b', 'a\nb', 'x'.repeat(256)])('%j is refused', (name) => {
    expect(() => unitName(name)).toThrow('a unit cannot be called');
  });

  it.each([{ state: 'started' }, { state: 'restarted' }, { enabled: true }] as const)(
    'is refused for one that is masked and %j',
    (wish) => {
      expect(() => service({ name: 'web', masked: true, ...wish })).toThrow('web cannot be masked and run');
    },
  );
});
