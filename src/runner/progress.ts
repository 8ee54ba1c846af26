/** As often as a screen is drawn: a fast line brings ten thousand pieces in a second. */
const EVERY_MS = 100;

type Progress = (done: number, total: number) => void;

/** Tells how far something is: when it begins, at most ten times a second, and when all of it is done. */
export function paced(tell: Progress, now: () => number = () => performance.now()): Progress {
  let toldAt = Number.NEGATIVE_INFINITY;
  return (done, total) => {
    const at = now();
    if (done < total && at - toldAt < EVERY_MS) return;
    toldAt = at;
    tell(done, total);
  };
}
