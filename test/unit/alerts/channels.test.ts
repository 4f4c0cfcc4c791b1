import { createSocket } from "node:dgram";
import { type AddressInfo, createServer } from "node:net";
import { AuthProtocols, PrivProtocols, SecurityLevel } from "net-snmp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Notice, testNotice } from "../../../core/alerts/notice.ts";
import { type AlertSettings, alertSettingsSchema } from "../../../core/alerts/settings.ts";
import { createChannels } from "../../../server/alerts/channels.ts";
import {
  mailReceiver,
  type Receiver,
  syslogReceiver,
  trapReceiver,
  WebhookReceiver,
} from "../../support/receivers.ts";
import { type CertificateFiles, createAuthority, type TestAuthority } from "../../support/serverPki.ts";
import { freePort, until } from "../../support/serverPostgres.ts";

const fired: Notice = {
  ...{ stack: "dev", sender: "primary", kind: "fired", key: "server-inactive:secondary", number: 2 },
  ...{
    rule: "server-inactive",
    severity: "warning",
    subject: "secondary server",
    problem: 'is down ("]\n")',
  },
  ...{ remedy: "Start it.", firedAt: "2026-11-21T10:00:00.000Z", recoveredAt: null },
};
const recovered: Notice = { ...fired, kind: "recovered", recoveredAt: "2026-11-21T10:05:00.000Z" };
const title = '[dev] WARNING secondary server is down ("] ")';

/** The one channel that is configured like this. */
function channel(settings: { readonly [K in keyof AlertSettings]?: unknown }) {
  const [only, ...others] = createChannels(alertSettingsSchema.parse(settings));
  if (only === undefined || others.length > 0) throw new Error("not one channel");
  return only;
}

describe("each channel brings notices to a real receiver", () => {
  let authority: TestAuthority;
  let tls: CertificateFiles;
  const open: Receiver<unknown>[] = [];
  const opened = async <T extends Receiver<unknown>>(receiver: Promise<T>): Promise<T> => {
    open.push(await receiver);
    return await receiver;
  };

  beforeAll(async () => {
    authority = await createAuthority();
    tls = await authority.issue("receiver");
  });
  afterAll(async () => {
    await Promise.all(open.map((receiver) => receiver.close()));
  });

  test("a webhook, as Slack takes it; an error that names no URL", async () => {
    const receiver = await opened(WebhookReceiver.listen());
    const { send } = channel({ webhook: { url: `http://127.0.0.1:${receiver.port}/services/T0/SECRET` } });
    await send(fired);
    await send(recovered);
    expect(receiver.received).toMatchObject([
      {
        path: "/services/T0/SECRET",
        body: {
          text: title,
          attachments: [{ color: "#b26a00", footer: "pg-continuity server-inactive:secondary #2 fired" }],
        },
      },
      {
        body: {
          text: '[dev] RECOVERED: secondary server is down ("] ")',
          attachments: [{ color: "#1e7d32" }],
        },
      },
    ]);
    receiver.status = 503;
    await expect(send(fired)).rejects.toThrow(/^the receiver answered HTTP 503$/);
  });

  test("a webhook over TLS, verified against one's own authority", async () => {
    const receiver = await opened(WebhookReceiver.listen(tls));
    const url = `https://127.0.0.1:${receiver.port}/`;
    await expect(channel({ webhook: { url } }).send(fired)).rejects.toThrow(/verify|self-signed|certificate/);
    await channel({ webhook: { url }, caCertificate: authority.ca }).send(fired);
    expect(receiver.texts).toEqual([title]);
  });

  test("a mail, signed in and over TLS; a wrong password is an error without it", async () => {
    const receiver = await opened(mailReceiver("correct horse", tls));
    const mail = {
      ...{ server: "127.0.0.1", port: receiver.port, user: "alerts", password: "correct horse" },
      ...{ from: "Alerts <alerts@example.com>", to: ["ada@example.com", "Grace <grace@example.com>"] },
    };
    const caCertificate = authority.ca;
    await channel({ mail, caCertificate }).send({ ...fired, problem: "is down" });
    expect(receiver.received).toMatchObject([
      {
        from: "alerts@example.com",
        to: ["ada@example.com", "grace@example.com"],
        user: "alerts",
        secure: true,
      },
    ]);
    const text = receiver.received[0]?.text ?? "";
    expect(text).toContain("Subject: [dev] WARNING secondary server is down\r\n");
    expect(text).toContain("What helps: Start it.");
    expect(text).toMatch(
      /Message-ID:\s+<dev\.server-inactive-secondary\.2\.fired\.\d+@pg-continuity\.invalid>/i,
    );
    const wrong = channel({ mail: { ...mail, password: "battery staple" }, caCertificate });
    await expect(wrong.send(fired)).rejects.toThrow(/^(?!.*battery)/);
    await expect(channel({ mail }).send(fired)).rejects.toThrow();
    expect(receiver.received).toHaveLength(1);
  });

  test("a mail is not sent in the open where TLS was asked for", async () => {
    const receiver = await opened(
      mailReceiver("", tls, { disabledCommands: ["STARTTLS"], authOptional: true }),
    );
    const mail = { server: "127.0.0.1", port: receiver.port, from: "a@example.com", to: ["b@example.com"] };
    await expect(channel({ mail, caCertificate: authority.ca }).send(fired)).rejects.toThrow();
    await channel({ mail: { ...mail, security: "none" } }).send(fired);
    expect(receiver.received).toMatchObject([{ user: null, secure: false }]);
  });

  const line =
    /^<132>1 \S+Z dev-primary pg-continuity - server-inactive \[alert@32473 stack="dev" key="server-inactive:secondary" number="2" kind="fired" severity="warning" firedAt="2026-11-21T10:00:00\.000Z"\] \uFEFF\[dev\] WARNING secondary server/;

  test("syslog by datagrams", async () => {
    const receiver = await opened(syslogReceiver("udp"));
    await channel({ syslog: { address: "127.0.0.1", port: receiver.port } }).send(fired);
    await until("it has come", async () => receiver.received.length > 0, 5);
    expect(receiver.received[0]).toMatch(line);
    const nobody = channel({ syslog: { address: "127.0.0.1", port: await freePort() } });
    await expect(nobody.send(fired)).rejects.toThrow(/ECONNREFUSED/);
  });

  test.each(["tcp", "tls"] as const)("syslog over %s, framed by its length", async (protocol) => {
    const receiver = await opened(syslogReceiver(protocol, tls));
    const syslog = { address: "127.0.0.1", port: receiver.port, protocol };
    await channel({ syslog, caCertificate: authority.ca }).send(recovered);
    await until("it has come", async () => receiver.received.length > 0, 5);
    const [frame = ""] = receiver.received;
    const [length = ""] = frame.split(" ", 1);
    const message = frame.slice(length.length + 1);
    expect(Buffer.byteLength(message)).toBe(Number(length));
    expect(message).toMatch(/^<133>1 .* kind="recovered" .* recoveredAt="2026-11-21T10:05:00\.000Z"\]/);
    if (protocol === "tls") await expect(channel({ syslog }).send(fired)).rejects.toThrow();
  });

  test("a trap, and an inform that the receiver confirms", async () => {
    const receiver = await opened(trapReceiver("secret-community", await freePort()));
    const snmp = { address: "127.0.0.1", port: receiver.port, community: "secret-community" };
    await channel({ snmp }).send(fired);
    await channel({ snmp: { ...snmp, inform: true, enterprise: "1.3.6.1.4.1.99999" } }).send(recovered);
    await until("both have come", async () => receiver.received.length === 2, 5);
    const type = "1.3.6.1.6.3.1.1.4.1.0";
    const own = "1.3.6.1.4.1.8072.9999.9999";
    expect(receiver.received).toMatchObject([
      {
        kind: "trap",
        objects: { [type]: `${own}.0.1`, [`${own}.1.2.0`]: fired.key, [`${own}.1.5.0`]: title },
      },
      {
        kind: "inform",
        objects: { [type]: "1.3.6.1.4.1.99999.0.2", "1.3.6.1.4.1.99999.1.3.0": "recovered" },
      },
    ]);
    const nobody = channel({ snmp: { ...snmp, port: await freePort(), inform: true } });
    await expect(nobody.send(fired)).rejects.toThrow();
  }, 20_000);

  test.each([
    ["sha256", "aes"],
    ["sha512", "aes256b"],
    ["sha", "aes256r"],
  ] as const)(
    "an inform of version 3, signed by %s and encrypted by %s; nothing with a wrong password",
    async (authentication, encryption) => {
      const receiver = await opened(
        trapReceiver(
          {
            ...{ name: "alerts", level: SecurityLevel.authPriv },
            ...{ authProtocol: AuthProtocols[authentication], authKey: "signed by this" },
            ...{ privProtocol: PrivProtocols[encryption], privKey: "encrypted by this" },
          },
          await freePort(),
        ),
      );
      const snmp = {
        ...{ address: "127.0.0.1", port: receiver.port, version: "v3", user: "alerts" },
        ...{ authentication, authenticationPassword: "signed by this" },
        ...{ encryption, encryptionPassword: "encrypted by this" },
      };
      await channel({ snmp }).send(fired);
      await channel({ snmp }).send(recovered);
      const own = "1.3.6.1.4.1.8072.9999.9999";
      expect(receiver.received).toMatchObject([
        { kind: "inform", objects: { [`${own}.1.2.0`]: fired.key, [`${own}.1.5.0`]: title } },
        { kind: "inform", objects: { [`${own}.1.3.0`]: "recovered" } },
      ]);
      for (const wrong of [{ authenticationPassword: "signed by another" }, { user: "nobody" }]) {
        const problem = await channel({ snmp: { ...snmp, ...wrong } })
          .send(fired)
          .then(String, String);
        expect(problem).toMatch(/Error/);
        expect(problem).not.toMatch(/ by /);
      }
      expect(receiver.received).toHaveLength(2);
    },
    40_000,
  );

  test("where there is no way to the receiver, an error and not the end of the server", async () => {
    // The system refuses to connect to it, as it does where there is no route.
    const address = "255.255.255.255";
    await expect(channel({ syslog: { address } }).send(fired)).rejects.toThrow(/^connect EACCES/);
    await expect(channel({ snmp: { address } }).send(fired)).rejects.toThrow(/EACCES/);
  });

  test("an error names no secret, whatever the receiver answers", async () => {
    const community = "secret-community";
    const socket = createSocket("udp4");
    // An inform is confirmed by the same message with another kind; here also with another community.
    socket.on("message", (message, { port }) => {
      const answer = Buffer.from(message.toString("latin1").replace(community, "somebody-elses-1"), "latin1");
      answer[answer.indexOf(0xa6)] = 0xa2;
      socket.send(answer, port, "127.0.0.1");
    });
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    const { port } = socket.address();
    const problem = await channel({ snmp: { address: "127.0.0.1", port, community, inform: true } })
      .send(fired)
      .then(String, String);
    socket.close();
    expect(problem).toMatch(/does not match/);
    expect(problem).not.toContain(community);
  });

  test("a long reason is cut: it fits into a datagram, and what a receiver answers into the page", async () => {
    const long = "no space left on device; ".repeat(10_000);
    const receiver = await opened(syslogReceiver("udp"));
    await channel({ syslog: { address: "127.0.0.1", port: receiver.port } }).send({
      ...fired,
      problem: long,
    });
    await until("it has come", async () => receiver.received.length > 0, 5);
    expect(receiver.received[0]).toMatch(/secondary server no space left .*…$/);
    const server = createServer((socket) => {
      socket.on("error", () => undefined).end(`554 ${"x".repeat(100_000)}\r\n`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const mail = { server: "127.0.0.1", port, from: "a@example.com", to: ["b@example.com"] };
    const problem = await channel({ mail }).send(fired).then(String, String);
    server.close();
    expect(problem).toMatch(/x{100}/);
    expect(problem.length).toBeLessThan(1000);
  });

  test("an attempt that takes too long has failed, also where the receiver says something again and again", async () => {
    const server = createServer((socket) => {
      const timer = setInterval(() => socket.write("220-please wait\r\n"), 20);
      socket.on("error", () => undefined).on("close", () => clearInterval(timer));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const mail = { server: "127.0.0.1", port, from: "a@example.com", to: ["b@example.com"] };
    const [slow] = createChannels(alertSettingsSchema.parse({ mail }), 300);
    await expect(slow?.send(fired)).rejects.toThrow("no answer within 0.3 s");
    server.close();
  });

  test("a test says that nothing has happened", async () => {
    const receiver = await opened(WebhookReceiver.listen());
    const at = "2026-11-21T10:00:00.000Z";
    await channel({ webhook: { url: `http://127.0.0.1:${receiver.port}/` } }).send(
      testNotice({ stack: "dev", sender: "primary" }, at),
    );
    expect(receiver.texts).toEqual(["[dev] TEST: alerts arrive here: this is a test, nothing has happened"]);
  });
});
