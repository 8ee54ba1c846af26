import { bad, good, type Kind, textOf } from '../../variables/kinds.ts';
import { recipientOf } from './age/keys.ts';

/** Public keys of age, each as its 32 bytes. */
export const recipientKind: Kind<readonly Buffer[]> = {
  type: 'list of age1…',
  read(value) {
    const texts = (Array.isArray(value) ? value : (textOf(value) ?? '').split(',')).map((one) => textOf(one) ?? '');
    const keys = texts.map(recipientOf);
    const wrong = texts[keys.indexOf(undefined)];
    if (wrong?.toUpperCase().startsWith('AGE-SECRET-KEY')) {
      return bad(
        'must be a public key (age1…), and one of them is a private key',
        'age-keygen -y FILE prints the public one.',
      );
    }
    if (keys.includes(undefined))
      return bad('must be public keys of age (age1…), with commas between them', 'age-keygen makes a pair.');
    return good(keys as Buffer[]);
  },
};
