import { gatewayHeader } from "../gatewayToken.ts";
import { innerGatewayName } from "../ownCertificate.ts";
import {
  type ApplicationNode,
  endpoint,
  internalPorts,
  type ServerNode,
  type Topology,
} from "../topology.ts";
import { configurationFolder } from "./files.ts";

/**
 * Is a server there? A bare TCP connection, in milliseconds: the kernel accepts it however busy the process behind is,
 * so a few short silences are enough to call a server dead. A killed server's address goes silent instead of refusing:
 * it is out after at most interval + fall × interval + (fall - 1) × fastInterval = 900 ms.
 */
export const livenessTiming = { interval: 200, fastInterval: 50, fall: 3, rise: 1 } as const;

/**
 * Can a server do its duty? Asked over HTTPS, in milliseconds. A clear no is heard within interval + (fall - 1) ×
 * fastInterval; HAProxy gives connection and TLS handshake no longer than the interval, which a busy host must be able
 * to keep. A server that is only too busy to answer in time loses new requests to the next one, never those that it
 * works on.
 */
export const dutyTiming = { interval: 1000, fastInterval: 200, timeout: 2000, fall: 4, rise: 1 } as const;

/**
 * `haproxy.cfg`: one TLS entry point; primary → secondary → read-only by the servers' own health. The first server that
 * lives and is on duty serves; with none on duty, the first one alive says itself why it cannot. Where the stack has an
 * application of one's own, that is asked whether it lives, and serves; of its duty the server beside it knows.
 *
 * @param token by which the servers know the gateway, and believe whom it forwards for
 */
export function renderHaproxy(topology: Topology, token: string): string {
  const hasOwn = topology.applications.length > 0;
  const isTls = topology.applications.every(({ protocol }) => protocol === "https");
  const servers = topology.servers.map((server) => serverLine(topology, server, true));
  const choices = ["duty", "servers"].flatMap((asked) =>
    topology.servers.map(({ name }) => `    use-server ${name} if { srv_is_up(${asked}/${name}) }`),
  );
  const tls = `ssl ca-file ${configurationFolder}/ca.crt verify required resolvers engine init-addr last,libc,none`;
  return `# Rendered from the stack's config; edits here are overwritten by the next "pulumi up".
global
    log stdout format raw local0 info
    maxconn 4096
    stats socket /tmp/haproxy.sock mode 600 level operator
    ssl-default-bind-options ssl-min-ver TLSv1.2
    ssl-default-server-options ssl-min-ver TLSv1.2
    hard-stop-after 30s

defaults
    mode http
    log global
    option httplog
    option dontlognull
    option redispatch 1
    option http-keep-alive
    # A reload ends a kept connection with its next answer instead of at once: no client meets a closed one.
    option idle-close-on-response
    retries 3
${hasOwn ? applicationRetries : vaultRetries}    timeout connect 1s
    timeout client 60s
    timeout server 60s
    timeout http-request 10s
    timeout http-keep-alive 10s
    timeout queue 5s

# The engine's own name server: a server's container that was replaced has another address.
resolvers engine
    nameserver docker 127.0.0.11:53
    resolve_retries 2
    timeout resolve 300ms
    timeout retry 300ms
    hold valid 1s
    hold obsolete 5s

frontend entry
    bind :${internalPorts.gateway} ssl crt${topology.gateway.hasOwnCertificate ? `-list ${configurationFolder}/${certificateList}` : ` ${configurationFolder}/gateway.pem`} alpn h2,http/1.1
    http-response set-header Strict-Transport-Security max-age=31536000
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto https
${hasOwn ? "" : vaultHeaders(token)}    default_backend servers

backend servers
${hasOwn ? "" : vaultReuse}    # Chosen by the rules below; balanced is only what is sent again: to the other read/write server, if there is one.
    balance roundrobin
${choices.join("\n")}
${hasOwn ? applicationDefaults(topology, tls) : vaultDefaults(tls)}
    # What a server that vanished was working on is cut by TCP itself, and so sent again; its kernel answers for one that is busy.
    option srvtcpka
    srvtcpka-idle 1s
    srvtcpka-intvl 1s
    srvtcpka-cnt 2
    default-server tcp-ut 2s
${(hasOwn ? topology.applications.map((node) => serverLine(topology, node, isTls)) : servers).join("\n")}

    # Without any server alive the answer is as clear as a server's own.
    errorfile 503 ${configurationFolder}/503.http

backend duty
    timeout connect ${dutyTiming.timeout}ms
    timeout check ${dutyTiming.timeout}ms
    option httpchk
    # /primary, /secondary, /read-only: 200 only while that server can do its duty (docs/server-endpoints.md).
    http-check send meth GET uri-lf /%[srv_name]
    http-check expect status 200
    default-server ${tls}
    default-server ${checks(dutyTiming)}
${servers.join("\n")}

frontend statistics
    bind :${internalPorts.statistics}
    stats enable
    stats uri /
    stats refresh 2s
    http-request use-service prometheus-exporter if { path /metrics }
`;
}

/** The file that says whom which certificate is shown to, where there is one of one's own. */
export const certificateList = "certificates.list";

/** The file with the certificate of one's own and its key. */
export const ownCertificateFile = "clients.pem";

/** One's own for every client, whatever name it asks for; the stack's own parts ask by a name that nobody else has. */
export function renderCertificateList(): string {
  return `${configurationFolder}/${ownCertificateFile}\n${configurationFolder}/gateway.pem ${innerGatewayName}\n`;
}

const vaultRetries = `    # A request whose server failed before it answered is sent to the next one. Safe for writes too: every one has an
    # idempotency key, and the servers do the same key only once.
    option http-buffer-request
    retry-on conn-failure empty-response
`;

const applicationRetries = `    # Only what has not reached an application is sent to the next one: nobody knows what a request does to it twice.
    retry-on conn-failure
    timeout tunnel 1h
`;

const vaultReuse = `    # A kept connection spares the servers a TLS handshake for each request.
    http-reuse always
`;

/** By what the servers know the gateway, and a write that is sent again. */
function vaultHeaders(token: string): string {
  return `    http-request set-header ${gatewayHeader} ${token}
    http-request set-header Idempotency-Key %[uuid()] if { method POST PUT PATCH DELETE } !{ req.hdr(Idempotency-Key) -m found }
`;
}

function vaultDefaults(tls: string): string {
  return `    default-server ${tls}
    default-server no-check-ssl ${checks(livenessTiming)}`;
}

/** One's own applications: alive by a bare TCP connection as the servers are, or by the path that the settings name. */
function applicationDefaults({ applications: [application] }: Topology, tls: string): string {
  if (application?.protocol === "https" && application.healthPath === "") return vaultDefaults(tls);
  const connection = application?.protocol === "https" ? tls : "resolvers engine init-addr last,libc,none";
  if (!application?.healthPath)
    return `    default-server ${connection}
    default-server ${checks(livenessTiming)}`;
  return `    timeout check ${dutyTiming.timeout}ms
    option httpchk
    http-check send meth GET uri ${application.healthPath} ver HTTP/1.1 hdr Host localhost
    http-check expect status 200-399
    default-server ${connection}
    default-server ${checks(dutyTiming)}`;
}

/** A server that the gateway asks; over TLS its certificate is verified against its own name. The read-only one is the last resort. */
function serverLine(topology: Topology, node: ServerNode | ApplicationNode, isTls: boolean): string {
  const { address, port } = endpoint(topology.gateway, node);
  const name = isTls ? ` sni str(${node.node}) check-sni ${node.node} verifyhost ${node.node}` : "";
  const role = node.name === "read-only" ? " backup" : "";
  return `    server ${node.name} ${address}:${port} check${name}${role}`;
}

function checks(timing: typeof livenessTiming | typeof dutyTiming): string {
  const { interval, fastInterval, fall, rise } = timing;
  return `inter ${interval}ms fastinter ${fastInterval}ms downinter ${interval}ms fall ${fall} rise ${rise}`;
}

/** What the gateway answers while no server is alive: a problem document (RFC 9457), as the servers do. */
export function renderUnavailable(): string {
  const body = JSON.stringify({
    type: "about:blank",
    title: "Service Unavailable",
    status: 503,
    detail: "No application server can be reached at the moment. Nothing was changed; try again shortly.",
  });
  return [
    "HTTP/1.1 503 Service Unavailable",
    "Content-Type: application/problem+json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Retry-After: 2",
    "Cache-Control: no-store",
    "",
    body,
  ].join("\r\n");
}
