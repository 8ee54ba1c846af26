/**
 * Loaded into `play` before all else (see `signalAt`): sends it a signal at once when it has printed a line, before it begins anything
 * more. One from outside would come when the next step is under way, now and then, and so at another point than the test means.
 */
const line = new RegExp(process.env.PLAY_SIGNAL_AT);
const times = Number(process.env.PLAY_SIGNAL_TIMES);
const write = process.stdout.write.bind(process.stdout);
let unfinished = '';
let seen = 0;

process.stdout.write = (text, ...rest) => {
  const written = write(text, ...rest);
  const lines = (unfinished + text).split('\n');
  unfinished = lines.pop();
  for (const one of lines) if (line.test(one) && ++seen === times) process.kill(process.pid, process.env.PLAY_SIGNAL);
  return written;
};
