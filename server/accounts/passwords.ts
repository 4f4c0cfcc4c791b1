import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

/** OWASP's parameters for scrypt: 32 MiB, about a quarter of a second of one core. */
const cost = { log2N: 15, r: 8, p: 3 } as const;
const saltBytes = 16;
const hashBytes = 32;
/** Of Node's four worker threads: the others stay free for files and names. */
const atOnce = 2;
/** More than this wait in line: whoever comes then is told to come back. */
const maxWaiting = 100;

/** Too many passwords are being checked. Answered with 503. */
export class PasswordsOverloaded extends Error {
  constructor() {
    super("too many passwords are being checked");
    this.name = "PasswordsOverloaded";
  }
}

/** The hash of a password in PHC form: `$scrypt$ln=15,r=8,p=3$SALT$HASH`. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const hash = await compute(password, salt, cost.log2N, cost.r, cost.p);
  return `$scrypt$ln=${cost.log2N},r=${cost.r},p=${cost.p}$${encode(salt)}$${encode(hash)}`;
}

/** True if the password is the one of the hash. Takes as long for an account that is not there (`null`). */
export async function verifyPassword(password: string, stored: string | null): Promise<boolean> {
  const match = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w+/]+)\$([\w+/]+)$/.exec(
    stored ?? nobody,
  );
  if (match === null) throw new Error("a stored password hash is not in the form $scrypt$…");
  const [log2N, r, p] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const expected = Buffer.from(match[5] ?? "", "base64");
  const hash = await compute(password, Buffer.from(match[4] ?? "", "base64"), log2N, r, p);
  return expected.length === hash.length && timingSafeEqual(expected, hash) && stored !== null;
}

const encode = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");
/** The hash that is compared when there is no account. */
const nobody = `$scrypt$ln=${cost.log2N},r=${cost.r},p=${cost.p}$${encode(Buffer.alloc(saltBytes))}$${encode(Buffer.alloc(hashBytes))}`;

let running = 0;
const waiting: (() => void)[] = [];

async function compute(password: string, salt: Buffer, log2N: number, r: number, p: number): Promise<Buffer> {
  if (running >= atOnce) {
    if (waiting.length >= maxWaiting) throw new PasswordsOverloaded();
    await new Promise<void>((resolve) => waiting.push(resolve));
  } else {
    running += 1;
  }
  try {
    const N = 2 ** log2N;
    // NFKC: the same password typed on another keyboard is the same bytes.
    return await derive(password.normalize("NFKC"), salt, hashBytes, { N, r, p, maxmem: 256 * N * r });
  } finally {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  }
}
