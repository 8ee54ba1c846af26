import { ManyErrors, type PlayError } from '../errors.ts';
import type { Json, MessageData, RunEvent } from '../runner/events.ts';
import type { Screen } from './screen.ts';

type Change = (text: string) => string;

/** A screen that gets all texts of events as `change` leaves them, and names of hosts, where they are to be changed too. */
export function veiled(screen: Screen, change: Change, changeHost?: Change): Screen {
  return {
    ...screen,
    listener: (event) => {
      const shown = veiledEvent(event, change);
      screen.listener(changeHost ? withHosts(shown, changeHost) : shown);
    },
  };
}

function withHosts(event: RunEvent, change: Change): RunEvent {
  switch (event.type) {
    case 'run-start':
    case 'play-start':
      return { ...event, hosts: event.hosts.map(change) };
    case 'task-start':
    case 'progress':
      return { ...event, host: change(event.host) };
    case 'task-end': {
      const error = event.error && { error: withHost(event.error, change) };
      return { ...event, host: change(event.host), ...error };
    }
    case 'run-end': {
      const tallies = new Map([...event.tallies].map(([host, tally]) => [change(host), tally]));
      return { ...event, tallies, errors: event.errors.map((error) => withHost(error, change)) };
    }
    default:
      return event;
  }
}

function withHost(error: PlayError, change: Change): PlayError {
  const inner =
    error instanceof ManyErrors ? { errors: { value: error.errors.map((one) => withHost(one, change)) } } : {};
  const own = error.host === undefined ? {} : { host: { value: change(error.host) } };
  return Object.create(error, { ...own, ...inner }) as PlayError;
}

function veiledEvent(event: RunEvent, change: Change): RunEvent {
  switch (event.type) {
    case 'run-start':
    case 'play-end':
      return event;
    case 'play-start':
      return { ...event, play: change(event.play) };
    case 'task-start':
    case 'progress':
      return { ...event, task: change(event.task) };
    case 'message':
      return { ...event, text: change(event.text), ...(event.data && { data: veiledData(event.data, change) }) };
    case 'connected':
      return { ...event, detail: change(event.detail) };
    case 'script': {
      const { script, stdout, stderr } = event;
      const words = Object.entries({ script, stdout, stderr }).filter(([, text]) => text !== undefined);
      return { ...event, ...Object.fromEntries(words.map(([name, text]) => [name, change(text as string)])) };
    }
    case 'run-end':
      return { ...event, errors: event.errors.map((error) => veiledError(error, change)) };
    case 'task-end': {
      const diffs = event.diffs.map(({ path, before, after }) => ({
        path: change(path),
        before: change(before),
        after: change(after),
      }));
      const error = event.error && { error: veiledError(event.error, change) };
      return { ...event, task: change(event.task), summary: change(event.summary), diffs, ...error };
    }
  }
}

function veiledData(data: MessageData, change: Change): MessageData {
  const veil = (value: Json): Json => {
    if (typeof value === 'string') return change(value);
    if (Array.isArray(value)) return value.map(veil);
    return value !== null && typeof value === 'object' ? veiledData(value as MessageData, change) : value;
  };
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [name, veil(value)]));
}

/** The same error in other words; all else it has of the first. */
export function veiledError(error: PlayError, change: Change): PlayError {
  const { message, next, task, file, code } = error;
  const words = Object.entries({ message, next, task, file, code }).filter(([, text]) => text !== undefined);
  const own = words.map(([name, text]) => [name, { value: change(text as string) }]);
  const inner =
    error instanceof ManyErrors ? { errors: { value: error.errors.map((one) => veiledError(one, change)) } } : {};
  const details = { value: error.details.map(change) };
  return Object.create(error, { ...Object.fromEntries(own), details, ...inner }) as PlayError;
}
