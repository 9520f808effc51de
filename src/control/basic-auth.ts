// Basic authentication as supervisord configures it: one user, with the password as it is or as {SHA} and its digest.
import { decodeBase64 } from '../formats/base64.js';
import { errorResponse, type HttpResponse } from './http-exchange.js';
import { sha1 } from './sha1.js';

export interface Credentials {
  readonly username: string;
  /** `secret`, or `{SHA}` and 40 hexadecimal digits. */
  readonly password: string;
}

/** null: let in. The header is undefined where there is none. */
export function judgeAuthorization(
  credentials: Credentials,
  header: string | undefined,
): HttpResponse | null {
  const [, scheme, encoded] = /^(\S+) +(.*)$/.exec(header ?? '') ?? [];
  if (scheme?.toLowerCase() !== 'basic') return unauthorized;
  const bytes = decodeBase64(Buffer.from(encoded!, 'latin1'));
  if (bytes === null) return errorResponse(400, [['Connection', 'close']]);
  return isRight(credentials, Buffer.from(bytes)) ? null : unauthorized;
}

const unauthorized = errorResponse(401, [
  ['Connection', 'close'],
  ['WWW-Authenticate', 'Basic realm="default"'],
]);

/** Both are compared in any case, as digests: the time taken tells neither a length nor how far they agree. */
function isRight({ username, password }: Credentials, given: Buffer): boolean {
  const colon = given.indexOf(':');
  const givenName = given.subarray(0, Math.max(colon, 0));
  const givenPassword = given.subarray(colon + 1);
  const nameIsRight = areEqual(sha1(givenName), sha1(Buffer.from(username)));
  const passwordIsRight = areEqual(sha1(givenPassword), digestOf(password));
  return nameIsRight && passwordIsRight && colon !== -1;
}

function digestOf(password: string): Buffer {
  if (!password.startsWith('{SHA}')) return sha1(Buffer.from(password));
  return Buffer.from(password.slice('{SHA}'.length), 'hex');
}

function areEqual(left: Buffer, right: Buffer): boolean {
  let difference = left.length ^ right.length;
  for (const [index, byte] of left.entries()) difference |= byte ^ (right[index] ?? 0);
  return difference === 0;
}
