import { createSocket } from "node:dgram";
import { createServer as createHttp, type Server as HttpServer } from "node:http";
import { createServer as createHttps } from "node:https";
import { type AddressInfo, createServer as createTcp, type Server } from "node:net";
import { createServer as createTls } from "node:tls";
import { createReceiver, type User } from "net-snmp";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import type { CertificateFiles } from "./serverPki.ts";

/** Something that notices arrive at. */
export interface Receiver<T> {
  readonly port: number;
  readonly received: T[];
  readonly close: () => Promise<void>;
}

/** What a webhook's receiver was sent. */
export interface Posted {
  readonly path: string;
  readonly body: {
    readonly text: string;
    readonly attachments: readonly Readonly<Record<string, unknown>>[];
  };
}

/** A web server that takes what is posted to it; it can be told to answer something else than 200. */
export class WebhookReceiver implements Receiver<Posted> {
  readonly received: Posted[] = [];
  status = 200;
  attempts = 0;
  readonly #server: HttpServer;

  private constructor(tls: CertificateFiles | undefined) {
    this.#server =
      tls === undefined
        ? createHttp()
        : (createHttps({ cert: tls.certificate, key: tls.key }) as unknown as HttpServer);
    this.#server.on("request", (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        this.attempts += 1;
        if (this.status === 200)
          this.received.push({ path: request.url ?? "", body: JSON.parse(Buffer.concat(chunks).toString()) });
        response.writeHead(this.status).end("ok");
      });
    });
  }

  /** @param address of this machine, where it listens */
  static async listen(tls?: CertificateFiles, address = "127.0.0.1"): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver(tls);
    await new Promise<void>((resolve) => receiver.#server.listen(0, address, resolve));
    return receiver;
  }

  get address(): string {
    return (this.#server.address() as AddressInfo).address;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The texts that came, in order. */
  get texts(): readonly string[] {
    return this.received.map(({ body }) => body.text);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A mail as it came over SMTP. */
export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly user: string | null;
  readonly secure: boolean;
  readonly text: string;
}

/** A mail server that asks for a password, and takes STARTTLS with this certificate. */
export async function mailReceiver(
  password: string,
  tls: CertificateFiles,
  options: SMTPServerOptions = {},
): Promise<Receiver<Mail>> {
  const received: Mail[] = [];
  const server = new SMTPServer({
    cert: tls.certificate,
    key: tls.key,
    onAuth: (auth, _session, done) =>
      auth.password === password
        ? done(null, { user: auth.username ?? "" })
        : done(new Error("wrong password")),
    onData: (stream, session, done) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const { mailFrom, rcptTo } = session.envelope;
        received.push({
          from: mailFrom === false ? "" : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          user: session.user === undefined ? null : String(session.user),
          secure: session.secure,
          text: Buffer.concat(chunks).toString(),
        });
        done();
      });
    },
    ...options,
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.server.address() as AddressInfo;
  return { received, port, close: () => new Promise((resolve) => server.close(() => resolve())) };
}

/** A receiver of syslog. Over TCP and TLS it gives what came as it came, frames and all. */
export async function syslogReceiver(
  protocol: "udp" | "tcp" | "tls",
  tls?: CertificateFiles,
): Promise<Receiver<string>> {
  const received: string[] = [];
  if (protocol === "udp") {
    const socket = createSocket("udp4");
    socket.on("message", (message) => received.push(message.toString()));
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    return {
      ...{ received, port: socket.address().port },
      close: () => new Promise((resolve) => socket.close(() => resolve())),
    };
  }
  const take = (socket: import("node:net").Socket): void => {
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("end", () => received.push(Buffer.concat(chunks).toString()));
  };
  const server: Server =
    protocol === "tcp" ? createTcp(take) : createTls({ cert: tls?.certificate, key: tls?.key }, take);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    ...{ received, port: (server.address() as AddressInfo).port },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** A trap as it came: what kind, and its objects by their identifiers. */
export interface Trap {
  readonly kind: "trap" | "inform";
  readonly objects: Readonly<Record<string, string>>;
}

/** A receiver of SNMP traps and informs that takes one community, or one user of version 3. */
export async function trapReceiver(sender: string | User, port: number): Promise<Receiver<Trap>> {
  const received: Trap[] = [];
  const receiver = createReceiver(
    { port, address: "127.0.0.1", transport: "udp4" },
    (error: Error | null, data: unknown) => {
      // One that it does not take: a test sees that nothing has come.
      if (error != null) return;
      const { pdu } = data as {
        pdu: { type: number; varbinds: readonly { oid: string; value: unknown }[] };
      };
      received.push({
        kind: pdu.type === 0xa6 ? "inform" : "trap",
        objects: Object.fromEntries(pdu.varbinds.map(({ oid, value }) => [oid, String(value)])),
      });
    },
  );
  if (typeof sender === "string") receiver.getAuthorizer().addCommunity(sender);
  else receiver.getAuthorizer().addUser(sender);
  // It binds in the background, and does not say when it has.
  await new Promise((resolve) => setTimeout(resolve, 200));
  return {
    ...{ received, port },
    close: async () => {
      receiver.close(() => undefined);
    },
  };
}
