import type { Screen } from './screen.ts';

/** Several listeners as one; each hears every event, in this order. */
export function several(...screens: readonly Screen[]): Screen {
  return {
    listener: (event) => {
      for (const { listener } of screens) listener(event);
    },
    done: async () => void (await Promise.all(screens.map((screen) => screen.done()))),
  };
}
