import ssh2, { type AnyAuthMethod, type AuthHandlerMiddleware, type BaseAgent, type ParsedKey } from 'ssh2';
import { AuthenticationError } from './errors.ts';
import { type PrivateKeys, publicKeyOf } from './private-keys.ts';
import type { LoginSettings } from './settings.ts';

export interface Authentication {
  handler: AuthHandlerMiddleware;
  /** The kinds of proof that were offered so far, for messages. */
  offered: ReadonlySet<string>;
  /** The key files among it. */
  offeredFiles: readonly string[];
}

/** How to log in, the surest way first. @throws AuthenticationError where there is nothing to log in with. */
export function authentication(login: LoginSettings, keys: PrivateKeys): Authentication {
  const methods = authMethods(login, keys);
  const offered = new Set<string>();
  const offeredFiles: string[] = [];
  const handler: AuthHandlerMiddleware = (left, _partial, next) => {
    for (;;) {
      const [method, file] = methods.shift() ?? [];
      // ssh2 takes this for the end; its types do not tell.
      if (!method) return next(false as never);
      const name = method.type === 'agent' ? 'publickey' : method.type;
      // What the server does not take is not offered: a refused attempt counts against us.
      if (left && !left.includes(name as (typeof left)[number])) continue;
      // One wrong password is enough: the same word is not tried again under another name.
      if (method.type === 'keyboard-interactive' && offered.has('password') && left?.includes('password')) continue;
      offered.add(method.type);
      if (file !== undefined) offeredFiles.push(file);
      return next(method);
    }
  };
  return { handler, offered, offeredFiles };
}

/** Asks for the passphrases that this log-in will need, so that nothing is asked for in the middle of a run. */
export async function unlockKeys(login: LoginSettings, keys: PrivateKeys): Promise<void> {
  const locked = login.keyFiles.filter((file) => keys.read(file).state === 'locked');
  if (locked.length === 0) return;
  const held = await agentKeys(login.agent);
  const isHeld = (file: string) => {
    const own = publicKeyOf(file, keys.read(file));
    return own !== undefined && held.some((key) => key.getPublicSSH().equals(own));
  };
  const free = login.keyFiles.some((file) => keys.read(file).state === 'ready');
  // Keys that merely lie in their usual place are not worth a question when there is another way in.
  if (!login.keyFileNamed && (free || held.length > 0 || login.password)) return;
  for (const file of locked) if (!isHeld(file)) await keys.unlock(file);
}

/** Each with the file that it comes from, where there is one. */
function authMethods(login: LoginSettings, keys: PrivateKeys): [AnyAuthMethod, file?: string][] {
  const { user: username, host, keyFiles, keyFileNamed, identitiesOnly, password, agent } = login;
  const methods: [AnyAuthMethod, file?: string][] = [];
  for (const file of keyFiles) {
    const found = keys.read(file);
    if (found.state === 'ready') methods.push([{ type: 'publickey', username, key: found.key as never }, file]);
    // The agent may hold what the file does not give.
    else if (keyFileNamed && !agent && !password) throw unusableKey(host, file, found);
  }
  if (agent) {
    const own = identitiesOnly ? keyFiles.map((file) => publicKeyOf(file, keys.read(file))) : undefined;
    methods.push([{ type: 'agent', username, agent: own ? narrowedAgent(agent, own) : agent }]);
  }
  if (password) {
    const word = password.reveal();
    methods.push([{ type: 'password', username, password: word }]);
    let asked = false;
    methods.push([
      {
        type: 'keyboard-interactive',
        username,
        prompt: (_name, _instructions, _language, prompts, finish) => {
          // A second question after the password is one that we have no answer to; saying nothing ends it at once.
          finish(asked ? [] : prompts.map(() => word));
          if (prompts.length > 0) asked = true;
        },
      },
    ]);
  }
  if (methods.length > 0) return methods;
  const locked = keyFiles.find((file) => keys.read(file).state === 'locked');
  if (locked) throw unusableKey(host, locked, { state: 'locked' });
  throw new AuthenticationError('there is nothing to log in with: no key file, no agent, no password', {
    host,
    next: 'Set ansible_ssh_private_key_file or --private-key, or start ssh-agent, or ask for a password with -k.',
  });
}

function unusableKey(host: string, file: string, found: { state: string; why?: string }): AuthenticationError {
  if (found.state === 'absent') {
    return new AuthenticationError(`the private key ${file} does not exist`, {
      host,
      next: 'Correct ansible_ssh_private_key_file (or --private-key).',
    });
  }
  if (found.state === 'locked') {
    return new AuthenticationError(`the private key ${file} has a passphrase, and there is no terminal to ask for it`, {
      host,
      next: `Put the key into an agent first: ssh-add ${file}`,
    });
  }
  return new AuthenticationError(`the private key ${file} cannot be used: ${found.why}`, {
    host,
    next: `See what it is: ssh-keygen -y -f ${file}`,
  });
}

const AGENT_TIMEOUT_MS = 5_000;

function agentKeys(socket: string | undefined): Promise<ParsedKey[]> {
  if (!socket) return Promise.resolve([]);
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve([]), AGENT_TIMEOUT_MS);
    ssh2.createAgent(socket).getIdentities((error, keys) => {
      clearTimeout(timer);
      resolve(error ? [] : ((keys ?? []) as ParsedKey[]));
    });
  });
}

/** An agent that shows only these of its keys: sshd counts each that is offered as an attempt. */
function narrowedAgent(socket: string, wanted: readonly (Buffer | undefined)[]): BaseAgent {
  const agent = ssh2.createAgent(socket);
  const getIdentities = agent.getIdentities.bind(agent);
  agent.getIdentities = (done) =>
    getIdentities((error, keys) => {
      const own = ((keys ?? []) as ParsedKey[]).filter((key) => wanted.some((one) => one?.equals(key.getPublicSSH())));
      done(error ?? undefined, own);
    });
  return agent;
}
