import type { Reader } from "../databases/reader.ts";
import { tokenHash } from "./generated.ts";
import type { Actor } from "./roles.ts";
import type { Session } from "./sessions.ts";
import { type Credential, findSessionAccount, findTokenAccount } from "./store.ts";

/** How long a lookup is believed: a withdrawn token, role or session lives on so long at the other servers. */
const rememberMs = 2000;
const maxRemembered = 10_000;

/** Who a token or a session belongs to. Remembers the last answers for two seconds. */
export class Directory {
  readonly #reader: Reader;
  readonly #remembered = new Map<
    string,
    { readonly until: number; readonly found: Promise<Credential | null> }
  >();
  /** Signed out here while nothing could be written; until when to remember. */
  readonly #ended = new Map<string, number>();

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  async byToken(token: string): Promise<Actor | null> {
    const hash = tokenHash(token);
    const found = await this.#remember(`token ${hash.toString("base64")}`, async () => {
      return (await this.#reader.run((client) => findTokenAccount(client, hash))).value;
    });
    return found === null ? null : { ...actorOf(found), authentication: "token", sessionId: null };
  }

  async bySession(session: Session): Promise<Actor | null> {
    if (this.#ended.has(session.id)) return null;
    const found = await this.#remember(`session ${session.account} ${session.id}`, async () => {
      const { value } = await this.#reader.run((client) =>
        findSessionAccount(client, session.account, session.id),
      );
      return value === null || value.ended ? null : value;
    });
    if (found === null || found.epoch !== session.epoch) return null;
    return { ...actorOf(found), authentication: "session", sessionId: session.id };
  }

  /** Forgets everything: something about accounts was changed here. */
  forget(): void {
    this.#remembered.clear();
  }

  /** The session counts as ended at this server, whatever the database knows. */
  end(session: Session, until: number): void {
    const now = Date.now();
    for (const [id, over] of this.#ended) if (over < now) this.#ended.delete(id);
    this.#ended.set(session.id, until);
  }

  #remember(key: string, find: () => Promise<Credential | null>): Promise<Credential | null> {
    const now = Date.now();
    const known = this.#remembered.get(key);
    if (known !== undefined && known.until > now) return known.found;
    if (this.#remembered.size >= maxRemembered) this.#remembered.clear();
    const found = find();
    this.#remembered.set(key, { until: now + rememberMs, found });
    found.then(
      (value) => {
        // Of strangers nothing is kept.
        if (value === null) this.#remembered.delete(key);
      },
      () => this.#remembered.delete(key),
    );
    return found;
  }
}

function actorOf({ id, name, role }: Credential): Pick<Actor, "id" | "name" | "role" | "accountId"> {
  return { id: `account:${id}`, name, role, accountId: id };
}
