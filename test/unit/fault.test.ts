import { describe, expect, it } from 'vitest';
import { faultWords, userPlaces } from '../../src/fault.ts';

describe('the places that an error came through', () => {
  it.each<[string, string, [string, number][]]>([
    ['a function', '    at deep (/home/u/lib.ts:5:12)', [['/home/u/lib.ts', 5]]],
    ['no function', '    at /home/u/p.ts:5:12', [['/home/u/p.ts', 5]]],
    ['what was waited for', '    at async /home/u/p.ts:5:12', [['/home/u/p.ts', 5]]],
    ['a file as a URL', '    at async f (file:///home/u%20v/p.mjs:5:12)', [['/home/u v/p.mjs', 5]]],
    ['a method with another name', '    at Object.resources [as x] (/home/u/p (1).ts:5:12)', [['/home/u/p (1).ts', 5]]],
    ['a generator', '    at gen.next (<anonymous>)', []],
    ['Node itself', '    at f (node:internal/modules/esm/loader:1:2)', []],
    ['the library', '    at #host (file:///opt/play/src/runner/play-runner.js:1:2)', []],
    ['a package', '    at f (/home/u/node_modules/x/y.js:1:2)', []],
  ])('%s', (_, frame, places) => {
    const found = userPlaces(`TypeError: x at /not/here.ts:1:2\n${frame}`, ['/opt/play/src/']);
    expect(found).toEqual(places.map(([file, line]) => ({ file, line })));
  });
});

describe('the words of a fault', () => {
  it.each([
    [new Error('no answer'), 'no answer'],
    [new Error(''), 'an error without a message'],
    [new TypeError('(0 , _etcdPlay.stepp) is not a function'), 'TypeError: stepp is not a function'],
  ])('%s', (error, words) => {
    expect(faultWords(error)).toBe(words);
  });
});
